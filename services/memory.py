"""Peak memory of the services and of everything they run."""

import threading
from types import TracebackType
from typing import Self

import psutil

from services import supervision
from services.settings import ServiceSettings

SECONDS_BETWEEN_SAMPLES = 2.0


class PeakMemory:
    """Samples in the background while the block runs; `megabytes` is the largest sum seen."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.megabytes = 0.0
        self._settings = settings
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()

    def _sample(self) -> None:
        while True:
            used = sum(_bytes(process) for process in supervision.processes(self._settings))
            self.megabytes = max(self.megabytes, used / 1e6)
            if self._done.wait(SECONDS_BETWEEN_SAMPLES):
                return


def _bytes(process: psutil.Process) -> int:
    """Return a process's share of memory: pages that several share are counted once (Linux)."""
    try:
        used = process.memory_full_info()
    except psutil.Error:
        return 0  # it has just ended
    return int(getattr(used, "pss", used.uss))
