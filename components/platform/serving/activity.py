"""When users last asked: what can wait is done in the pauses between requests."""

import time

# So long nobody has asked when what can wait is done. Capacity only: changes no result.
PAUSE_SECONDS = 0.02


class Activity:
    """Requests and events of the whole process, whichever application they are for."""

    def __init__(self) -> None:
        self._open = 0  # requests that are not ready to be answered; the event loop's own
        self._latest = float("-inf")  # when the last request or event came

    def note(self) -> None:
        """Note that a request or an event has come; any thread may call it."""
        self._latest = time.monotonic()

    def begin(self) -> None:
        """Note a request that `end` follows; only the event loop calls both."""
        self.note()
        self._open += 1

    def end(self) -> None:
        """Note that a request is ready to be answered."""
        self._open -= 1

    def idle_seconds(self) -> float:
        """Return for how long nothing has come; 0 while a request is not ready."""
        return 0.0 if self._open else time.monotonic() - self._latest

    def pause_left(self) -> float:
        """Return the seconds until what can wait is done, if nothing comes; 0 or less: now."""
        return PAUSE_SECONDS - self.idle_seconds()
