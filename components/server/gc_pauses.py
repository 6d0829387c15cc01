"""Full garbage collections in pauses.

One goes through every object that may be part of a cycle, and nobody is answered meanwhile: 80 ms
for 60,000 offers. Left to itself Python begins one whenever the objects have
grown by a quarter, which is while requests come. Here it happens while none do.
"""

import gc
import threading
import time

from components.platform.serving.activity import Activity

EVERY_SECONDS = 600.0
LATEST_SECONDS = 600.0  # a server without a pause is not left to grow for longer
LOOK_SECONDS = 0.005
NEVER = 1 << 30

DUE = threading.Event()  # set: collect in the next pause


def collect_soon() -> None:
    """Collect in the next pause: a champion that nobody refers to any more is large."""
    DUE.set()


class GcPauses:
    """Collects now and then, in a thread of its own, instead of in the middle of a request."""

    def __init__(self, activity: Activity) -> None:
        self._activity = activity
        self._thresholds = gc.get_threshold()
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="gc-pauses", daemon=True)

    def start(self) -> None:
        """Take full collections over; small ones, of what was made just now, stay Python's."""
        gc.set_threshold(*self._thresholds[:2], NEVER)
        self._thread.start()

    def stop(self) -> None:
        """Give them back."""
        self._stopped = True
        DUE.set()
        self._thread.join()
        gc.set_threshold(*self._thresholds)

    def _work(self) -> None:
        while True:
            DUE.wait(EVERY_SECONDS)
            end = time.monotonic() + LATEST_SECONDS
            while self._activity.pause_left() > 0 and time.monotonic() < end:
                if self._stopped:
                    return
                time.sleep(LOOK_SECONDS)
            if self._stopped:
                return
            DUE.clear()
            gc.collect()
