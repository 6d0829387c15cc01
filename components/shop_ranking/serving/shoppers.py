"""A shopper's state as it is now: the package's history, and what happened since.

The features are made of it by the code that training uses (shop_ranking/engine), so a shopper who
did nothing since the model's last day has the very state the model was tested with.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.platform.files import read_table
from components.platform.schemas import EVENT_TYPES
from components.platform.serving.cache import Bounded
from components.platform.serving.live_events import LiveEvent, LiveEvents
from components.shop_ranking.engine.batches import split, together
from components.shop_ranking.engine.feature_states import TOWERS, ShopperState
from components.shop_ranking.engine.history import (
    PAIR_COLUMNS,
    SHOPPER_COLUMNS,
    Events,
    Floats,
    Ints,
    Summary,
    summarise,
)
from components.shop_ranking.engine.ranker import FusedRanker
from components.shop_ranking.engine.reading import events_of
from components.shop_ranking.serving.catalogue import Catalogue

DAY = 86_400.0
MONEY = [PAIR_COLUMNS.index(name) for name in ("spend", "quantity", "discounted_share")]
PRICES = [SHOPPER_COLUMNS.index(name) for name in ("discounted_share", "mean_price")]
STATES = 20_000  # shoppers whose state is kept. Capacity only: changes no result.


@dataclass(frozen=True)
class Shopper:
    """Who asks: a state, and a key that changes whenever the state does."""

    # (id, revision, day), or a stranger's items; None for what must not be kept.
    key: tuple[object, ...] | None
    state: ShopperState  # of one shopper

    @property
    def has_history(self) -> bool:
        """Return whether anything is known of the shopper."""
        return len(self.state.item) > 0


class Shoppers:
    """States of shoppers by pseudonym, computed when asked for and kept until they change."""

    def __init__(
        self, folder: Path, ranker: FusedRanker, catalogue: Catalogue, live: LiveEvents,
        as_of: datetime, target_events: Sequence[str], users: Sequence[str],
    ) -> None:  # fmt: skip
        self.ranker, self.catalogue, self.live = ranker, catalogue, live
        self.as_of = as_of.timestamp()
        self.pause = 60.0 * ranker.trained_with.session_gap_minutes  # seconds
        self.targets = {EVENT_TYPES.index(name) for name in target_events}
        self.row = {user: row for row, user in enumerate(users)}  # pseudonym -> user_index
        sequences: pa.Table = read_table(folder / "sequences.parquet").sort_by("user_index")
        self.events = events_of(sequences, target_events)
        self.place = np.full(len(users) + 1, -1, np.int64)  # user_index -> row of the histories
        present = sequences["user_index"].to_numpy()
        self.place[present] = np.arange(len(present))
        self.states: Bounded[tuple[str, int, int], ShopperState] = Bounded(STATES)

    def of(self, user: str | None, history: Sequence[str], now: datetime) -> Shopper:
        """Return the state of a shopper.

        Args:
            user: pseudonym, None for a stranger.
            history: item ids a stranger touched in this session, oldest first; passed over for a
                shopper of whom something is known.
            now: by the server's clock.

        """
        day = self.day(now)
        known = user is not None and (user in self.row or self.live.revision(user) > 0)
        if user is None or not known:
            items = self.catalogue.rows(history)
            return Shopper(("", *items.tolist()), self.ranker.from_history([items]))
        key = (user, self.live.revision(user), day)
        return Shopper(key, self.states.get(key, lambda: self._compute([user], day)[0]))

    def prepare(self, users: Iterable[str | None], now: datetime) -> None:
        """Compute in one batch the states that `of` would compute one by one."""
        day = self.day(now)
        revisions = {user: self.live.revision(user) for user in users if user is not None}
        keys = [
            (user, revision, day)
            for user, revision in revisions.items()
            if user in self.row or revision > 0
        ]
        missing = self.states.missing(keys)
        if missing:
            states = self._compute([user for user, _, _ in missing], day)
            for key, state in zip(missing, states, strict=True):
                self.states.put(key, state)

    def latest(self, count: int) -> list[str]:
        """Return at most `count` shoppers of the package, who did something last first."""
        users = np.array(list(self.row), object)
        place = self.place[:-1]
        some = (place >= 0) & (self.events.ptr[place + 1] > self.events.ptr[place])
        users, last = users[some], self.events.ptr[place[some] + 1] - 1
        latest: list[str] = users[np.argsort(self.events.day[last], kind="stable")[:count]].tolist()
        return latest

    def at(self, user: str | None, history: Sequence[str], moment: datetime) -> Shopper:
        """Return the state as it was at a moment in the past: nothing later is used, or kept."""
        if user is None or not (user in self.row or self.live.revision(user) > 0):
            return self.of(None, history, moment)
        return Shopper(None, self._compute([user], self.day(moment), moment.timestamp())[0])

    def day(self, now: datetime) -> int:
        """Return the number of the day since the model's."""
        return int((now.timestamp() - self.as_of) // DAY)

    def _compute(
        self, users: Sequence[str], day: int, until: float = float("inf")
    ) -> list[ShopperState]:
        """Summarise events as of the start of the day, or of the latest event if later."""
        lived = [
            [event for event in self.live.since(user, self.as_of, until)
             if event.item_id in self.catalogue.index]
            for user in users
        ]  # fmt: skip
        start = self.as_of + max(day, 0) * DAY
        parts = [
            self._joined(self._past(user), live, max([start, *(e.seconds for e in live[-1:])]))
            for user, live in zip(users, lived, strict=True)
        ]
        summaries = split(summarise(together(parts)))
        return [self._state(*known) for known in zip(users, lived, summaries, strict=True)]

    def _state(self, user: str, live: Sequence[LiveEvent], summary: Summary) -> ShopperState:
        """Return the state of one shopper from the summary of all its events."""
        base = self._base(user)
        self._add_money(summary, base, live)
        state = ShopperState(
            users=np.array([self.row.get(user, -1)], np.int32),
            ptr=summary.ptr,
            item=summary.item,
            pairs=summary.pairs,
            numbers=summary.shoppers,
            vectors={},
        )
        return _with_vectors(state, self._vectors(base, state, self._past(user), live))

    def _past(self, user: str) -> slice:
        """Return the shopper's rows in the package's events."""
        place = int(self.place[self.row.get(user, -1)])
        if place < 0:
            return slice(0, 0)
        return slice(int(self.events.ptr[place]), int(self.events.ptr[place + 1]))

    def _base(self, user: str) -> ShopperState | None:
        """Return the shopper as the model was tested with."""
        row = int(self.ranker.row_of_user[self.row.get(user, -1)]) if user in self.row else -1
        return self.ranker.shoppers.take(np.array([row])) if row >= 0 else None

    def _joined(self, past: slice, live: Sequence[LiveEvent], moment: float) -> Events:
        sessions = self.events.session[past]
        return Events(
            ptr=np.array([0, past.stop - past.start + len(live)]),
            item=np.concatenate([self.events.item[past], self._items(live)]),
            day=np.concatenate(
                [
                    self.events.day[past] + np.float32((moment - self.as_of) / DAY),
                    np.array([(moment - event.seconds) / DAY for event in live], np.float32),
                ]
            ),
            session=np.concatenate(
                [sessions, _sessions(live, int(sessions.max(initial=-1)) + 1, self.pause)]
            ).astype(np.int32),
            is_target=np.concatenate(
                [
                    self.events.is_target[past],
                    np.array([event.kind in self.targets for event in live], bool),
                ]
            ),
        )

    def _items(self, live: Sequence[LiveEvent]) -> Ints:
        return np.array([self.catalogue.index[event.item_id] for event in live], np.int32)

    def _add_money(
        self, summary: Summary, base: ShopperState | None, live: Sequence[LiveEvent]
    ) -> None:
        """Carry over what orders said before the model's day, and add what was bought since."""
        if base is not None:
            order = np.argsort(summary.item)
            place = order[np.searchsorted(summary.item, base.item, sorter=order)]
            summary.pairs[place[:, None], MONEY] = base.pairs[:, MONEY]
            summary.shoppers[0, PRICES] = base.numbers[0, PRICES]
        paid = [event for event in live if event.kind in self.targets]
        for event in paid:
            units = 1.0 if np.isnan(event.quantity) else event.quantity
            row = int(np.flatnonzero(summary.item == self.catalogue.index[event.item_id])[0])
            for column, value in zip(MONEY[:2], (units * event.price, units), strict=True):
                if not np.isnan(value):
                    summary.pairs[row, column] = value + np.nan_to_num(summary.pairs[row, column])

    def _vectors(
        self, base: ShopperState | None, state: ShopperState, past: slice,
        live: Sequence[LiveEvent],
    ) -> dict[str, Floats]:  # fmt: skip
        """The package's vectors of a shopper it knows; profiles of the events of any other."""
        if base is not None:
            return {tower: np.asarray(base.vectors[tower]) for tower in TOWERS}
        items = np.concatenate([self.events.item[past], self._items(live)])
        return dict(self.ranker.from_history([items]).vectors)


def _sessions(live: Sequence[LiveEvent], first: int, pause: float) -> npt.NDArray[np.int64]:
    """Number the sessions of events in time order, from `first`.

    Another session id starts a session, and so does a pause of more than `pause`
    seconds where no id is given.
    """
    names = np.array([event.session_id for event in live], object)
    times = np.array([event.seconds for event in live], np.float64)
    if len(live) == 0:
        return np.zeros(0, np.int64)
    other = names[1:] != names[:-1]
    paused = (names[1:] == "") & (np.diff(times) > pause)
    return first + np.concatenate([[0], np.cumsum(other | paused)])


def _with_vectors(state: ShopperState, vectors: dict[str, Floats]) -> ShopperState:
    return ShopperState(state.users, state.ptr, state.item, state.pairs, state.numbers, vectors)
