"""The event log: a bounded spool on disk that an acknowledged event cannot fall out of.

Group commit (DeWitt et al. 1984): one fsync makes every record durable that was written before
it, so requests that wait at the same time share the price of one.
"""

import fcntl
import os
import secrets
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

import orjson

from components.platform.errors import ServiceError, StorageError
from components.platform.progress import say
from components.platform.serving.event_hooks import Subscriber
from components.platform.serving.segments import (
    Record,
    first_sequence,
    framed,
    repair,
    segment_path,
)
from components.server.events.recent import RecentIds

RECENT_IDS = 500_000  # about 100 bytes each; older duplicates are left to what reads the log


class SpoolFull(StorageError):  # noqa: N818 - the name its callers know
    """The spool has reached its size; nothing was taken."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"a spool of at most {limit:,} bytes",
            f"{size:,}",
            "look whether S3 is up: events wait here until it has them",
        )


class EventLog:
    """Appends records to segment files; safe across threads, one process a folder."""

    def __init__(self, folder: Path, max_bytes: int, lock: int) -> None:
        self.folder, self.max_bytes = folder, max_bytes
        self._lock_file = lock
        self._changed = threading.Condition()  # guards all that follows
        self._subscribers: list[Subscriber] = []
        self._recent = RecentIds(RECENT_IDS)
        self._pending: list[Future[None]] = []
        self._broken: StorageError | None = None
        self._closing = False
        self._syncing = threading.Lock()  # taken before _changed; held while a file is synced
        self.spool, self._next = self._recover()
        self._synced = self._next  # everything before this sequence is durable
        self._bytes = sum(path.stat().st_size for path in self.segments())
        self._start_segment()
        self._sync_folder()
        self._committer = threading.Thread(target=self._commit, name="event-log", daemon=True)
        self._committer.start()

    @classmethod
    def open(cls, folder: Path, max_bytes: int) -> "EventLog":
        """Open the spool in `folder`, after a crash too, and hold it alone.

        Raises:
            ServiceError: another process holds it.

        """
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise ServiceError(
                f"the spool {folder} for itself", "another server there", "set SHOPFUSION_SPOOL"
            ) from error
        return cls(folder, max_bytes, lock)

    def append(self, records: Sequence[Record], durable: bool) -> int:
        """Write the records that are new and return their number; all of them or none.

        An event whose id came lately is left out. Impressions have ids of this server's own
        making and are not looked up. Once written a record outlives kill -9 of this process;
        `durable` waits until it outlives the machine too.

        Raises:
            SpoolFull: the spool has reached its size.
            StorageError: the disk refuses the write.

        """
        with self._changed:
            new = self._recent.new(records)
            if new:
                self._write(framed(new))
                self._recent.add(new)
                self._next += len(new)
        for subscriber in self._subscribers if new else ():
            try:
                subscriber(new)
            except Exception as error:  # the record is on disk: its event is not lost
                say(f"event log: {subscriber!r} failed: {type(error).__name__}: {error}")
        if durable:
            self.committed().result()
        return len(new)

    def committed(self) -> Future[None]:
        """Return what is done as soon as everything written so far is durable."""
        future: Future[None] = Future()
        future.set_running_or_notify_cancel()  # a client that goes away cannot cancel it
        with self._changed:
            if self._broken:
                future.set_exception(self._broken)
            elif self._synced == self._next:
                future.set_result(None)
            else:
                self._pending.append(future)
                self._changed.notify()
        return future

    def learn(self, records: Sequence[Record]) -> None:
        """Remember the ids of events that another server has in its log: they are none of ours."""
        with self._changed:
            self._recent.add(records)

    def subscribe(self, callback: Subscriber) -> None:
        """Call back with every record that is written from now on, in the writer's thread."""
        self._subscribers.append(callback)

    def roll(self, min_bytes: int, max_seconds: float) -> None:
        """Close the open segment if it has this size or age, and begin the next."""
        with self._syncing:
            with self._changed:
                old, age = self._file, time.monotonic() - self._started
                if self._end == 0 or (self._end < min_bytes and age < max_seconds):
                    return
                reached = self._next
                self._start_segment()
            # Outside the lock: requests go on writing while the disk works.
            self._sync_folder()
            self._sync(old.fileno())
            old.close()
            with self._changed:
                self._synced = max(self._synced, reached)

    def segments(self) -> list[Path]:
        """Return the segments that lie here, the open one too, oldest first."""
        return sorted(self.folder.glob("*.jsonl"), key=first_sequence)

    def closed(self) -> list[Path]:
        """Return the segments that nothing is written to any more, oldest first."""
        return [path for path in self.segments() if path != self._path]

    def drop(self, path: Path) -> None:
        """Delete a closed segment; only once it is in S3."""
        size = path.stat().st_size
        path.unlink()
        with self._changed:
            self._bytes -= size

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._bytes

    def close(self) -> None:
        """Make everything durable and let go of the folder."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._committer.join()
        self._file.close()
        os.close(self._lock_file)

    def _recover(self) -> tuple[str, int]:
        """Repair what a crash left, learn the ids again; return the spool's name and next sequence.

        A spool whose folder was deleted gets another name, so that keys in S3 never meet.
        """
        name, following = secrets.token_hex(4), 0
        for path in self.segments():
            lines = repair(path)
            name, following = path.stem.rpartition("-")[0], first_sequence(path) + len(lines)
            self._recent.add([orjson.loads(line) for line in lines])
            if not lines:
                path.unlink()
        return name, following

    def _start_segment(self) -> None:
        path = segment_path(self.folder, self.spool, self._next)
        self._file, self._path, self._end = path.open("ab", buffering=0), path, 0
        self._started = time.monotonic()

    def _sync_folder(self) -> None:
        """Make the names of segments survive too; nothing in a new one counts as durable before."""
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            self._sync(folder)
        finally:
            os.close(folder)

    def _sync(self, descriptor: int) -> None:
        """Make a file durable; where that fails, what is on disk is unknown: take nothing more."""
        try:
            os.fsync(descriptor)
        except OSError as error:
            self._broken = StorageError(
                f"to sync {self._path}", error.strerror or str(error), "check the disk"
            )
            raise self._broken from error

    def _write(self, data: bytes) -> None:
        if self._broken or self._closing:
            raise self._broken or StorageError("an open log", "a closed one", "start the server")
        if self._bytes + len(data) > self.max_bytes:
            raise SpoolFull(self._bytes, self.max_bytes)
        before = self._end  # to ask the file would let go of the interpreter
        try:
            done = 0
            while done < len(data):
                done += self._file.write(data[done:])
        except OSError as error:
            self._file.truncate(before)
            self._file.seek(before)
            raise StorageError(
                f"to write {self._path}", error.strerror or str(error), "free disk space"
            ) from error
        self._end += len(data)
        self._bytes += len(data)

    def _commit(self) -> None:
        """Make durable what was written, for all who wait at once, until the log is closed."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pending or self._closing)
                if self._closing and not self._pending and self._synced == self._next:
                    return
            with self._syncing:
                with self._changed:
                    pending, self._pending = self._pending, []
                    file, reached = self._file, self._next
                with suppress(StorageError):  # all who wait are told
                    self._sync(file.fileno())
                with self._changed:
                    self._synced = reached
            for future in pending:
                if self._broken:
                    future.set_exception(self._broken)
                else:
                    future.set_result(None)
