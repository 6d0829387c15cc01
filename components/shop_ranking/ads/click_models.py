"""The click models of feedback ingestion, read again now and then."""

import threading
from collections.abc import Callable

from components.platform.errors import ShopError
from components.platform.feedback.click_model import ClickModel, prior, read_models
from components.platform.progress import say

REFRESH_SECONDS = 60.0  # between looks for click models. Capacity only: changes no result.


class ClickModels:
    """P(click) of each model version, a prior where nothing is calibrated."""

    def __init__(self, prior_click_rate: Callable[[], float]) -> None:
        """`prior_click_rate` is asked whenever it is needed: it is the champion's."""
        self._prior_click_rate = prior_click_rate
        self._by_version: dict[str, ClickModel] = {}
        self._unreadable = ""
        self._stopped = threading.Event()

    def of(self, version: str) -> ClickModel:
        """Return the calibration of one model version, the prior where there is none."""
        return self._by_version.get(version) or prior(self._prior_click_rate())

    def start(self) -> None:
        """Read the click models of feedback ingestion now and then, in a thread of its own."""
        threading.Thread(target=self._watch, name="click-models", daemon=True).start()

    def stop(self) -> None:
        """Read them no more."""
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.is_set():
            self.refresh()
            self._stopped.wait(REFRESH_SECONDS)

    def refresh(self) -> None:
        """Read what feedback ingestion calibrated; keep what is known where it cannot be read."""
        try:
            calibrated = read_models()
            self._by_version = self._by_version if calibrated is None else calibrated
            self._unreadable = ""
        except ShopError as error:
            if str(error) != self._unreadable:  # said once, not every minute
                say(f"prices of clicks stay with the click models read before: {error}")
            self._unreadable = str(error)
