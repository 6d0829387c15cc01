"""Prefetch: rows made ready before shoppers ask, in pauses between requests.

A shopper's state changes with every event of theirs and with every day, a score with every
champion. A request that finds nothing kept costs milliseconds; here those whose state is not
kept are worked off one by one, whoever did something last first, in pauses between requests.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from prometheus_client import Gauge

from components.platform.errors import ModelError, ServiceError
from components.platform.progress import say
from components.platform.serving.activity import Activity
from components.platform.serving.clock import Clock
from components.platform.serving.context import Models
from components.platform.serving.live_events import HISTORY
from components.platform.serving.segments import Record
from components.shop_ranking.serving.api import RecommendRequest
from components.shop_ranking.serving.recommendation import RANKINGS

if TYPE_CHECKING:
    from components.shop_ranking.serving.champion import Champion

# Between looks for an event, a new champion or day while all are ready.
# Capacity only: changes no result.
LOOK_SECONDS = 0.2
DUE = Gauge("shopfusion_shoppers_due", "Shoppers whose row has still to be made ready")


class Prefetch:
    """Keeps the rows of the latest RANKINGS shoppers ready, in a thread of its own."""

    def __init__(self, models: Models, clock: Clock, activity: Activity) -> None:
        self._models, self._clock, self._activity = models, clock, activity
        self._made_for: tuple[str, int] | None = None  # version and day that all were due for
        self._due: OrderedDict[str, None] = OrderedDict()  # the next to make ready stands last
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="prefetch", daemon=True)

    def start(self) -> None:
        """Begin; the server needs no champion yet."""
        self._thread.start()

    def stop(self) -> None:
        """End after the shopper at hand."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join()

    @property
    def all_ready(self) -> bool:
        """Return whether nobody's row is due: the champion's shoppers of today are all kept."""
        return self._made_for is not None and not self._due

    def accept(self, records: Sequence[Record]) -> None:
        """Make ready next whoever did something; a subscriber of events."""
        users = {
            str(record["user_id"]): None for record in records if record["event_type"] in HISTORY
        }
        if users:
            self._activity.note()
            with self._changed:
                for user in users:
                    self._due[user] = None
                    self._due.move_to_end(user)
                while len(self._due) > RANKINGS:
                    self._due.popitem(last=False)

    def _work(self) -> None:
        while not self._stopped:
            try:
                pause = self._step()
            except (ModelError, ServiceError):  # no champion, or no time yet
                pause = LOOK_SECONDS
            except Exception as error:  # a request for this shopper would say the same
                say(f"a row is not made ready: {type(error).__name__}: {error}")
                continue
            if pause > 0:  # meanwhile no champion is held, which may be replaced
                self._wait(pause)

    def _step(self) -> float:
        """Make one shopper ready, or return for how long to wait for a pause, or for work."""
        champion, now = self._models.current(), self._clock.now()
        version_and_day = champion.version, champion.shoppers.day(now)
        if version_and_day != self._made_for:
            self._all_are_due(champion)
            self._made_for = version_and_day
        DUE.set(len(self._due))
        if not self._due:
            return LOOK_SECONDS
        if (left := self._activity.pause_left()) > 0:
            return left
        with self._changed:
            user, _ = self._due.popitem()
        champion.prepare([RecommendRequest(user_id=user)], now)
        return 0.0

    def _all_are_due(self, champion: "Champion") -> None:
        with self._changed:
            lately = list(self._due)  # they stay the first
            self._due = OrderedDict.fromkeys(
                [*reversed(champion.shoppers.latest(RANKINGS - len(lately))), *lately]
            )
            for user in lately:
                self._due.move_to_end(user)

    def _wait(self, seconds: float) -> None:
        with self._changed:
            if not self._stopped:
                self._changed.wait(seconds)
