"""The shipper: brings closed segments to S3, and deletes them here once S3 has them."""

import threading
from pathlib import Path

from prometheus_client import Counter, Gauge

from components.platform import storage
from components.platform.errors import StorageError
from components.platform.progress import say
from components.platform.serving.segments import key_of, shipped_form
from components.platform.settings import settings
from components.server.events.log import EventLog

SEGMENT_BYTES = 8 << 20  # a segment is closed at this size ...
SEGMENT_SECONDS = 10.0  # ... or this age, so that events are in S3 soon
POLL_SECONDS = 0.5
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds after a failure; doubled each time

SHIPPED = Counter("shopfusion_segments_shipped", "Segments of events that S3 confirmed")
FAILURES = Counter("shopfusion_shipping_failures", "Attempts to send a segment that failed")
SPOOL_BYTES = Gauge("shopfusion_spool_bytes", "Bytes of events that wait here for S3")


class Shipper:
    """A thread that sends closed segments until it is stopped.

    A segment's key is made of its name and its bytes never change, so sending it twice, as after
    a crash between upload and deletion, has the effect of sending it once.
    """

    def __init__(
        self, log: EventLog, seconds: float = SEGMENT_SECONDS, size: int = SEGMENT_BYTES
    ) -> None:
        self._log, self._seconds, self._size = log, seconds, size
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shipper", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """Close the open segment, send what can be sent at once, and end the thread."""
        self._stopped.set()
        self._thread.join()
        try:
            self._log.roll(0, 0)
            self.ship()
        except StorageError as error:  # it waits in the spool for the next start
            say(f"shipper: {error}")

    def ship(self) -> int:
        """Send every closed segment, oldest first; return their number.

        Raises:
            StorageError: S3 does not take one; it and those after it stay here.

        """
        done = 0
        for path in self._log.closed():
            _send(path)
            self._log.drop(path)
            SHIPPED.inc()
            done += 1
        return done

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._stopped.wait(POLL_SECONDS):
            SPOOL_BYTES.set(self._log.size)
            try:
                self._log.roll(self._size, self._seconds)
                self.ship()
                pause = FIRST_PAUSE
            except (StorageError, OSError) as error:  # S3, or the disk of the spool
                FAILURES.inc()
                say(f"shipper: {error}; next attempt in {pause:.1f} s")
                self._stopped.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)


def _send(path: Path) -> None:
    storage.ensure_bucket(settings().s3_bucket)
    storage.put(shipped_form(path.read_bytes()), key_of(path))
