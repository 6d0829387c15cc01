"""One pass of a replay against a shop that always shows the same item."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from services.replay.run import Replay
from services.replay.settings import ReplaySettings
from services.replay.shop import Json
from services.replay.shoppers import Reaction
from services.replay.visits import Line, Visit

START = datetime(2017, 11, 1, tzinfo=UTC)


class EagerShopper:
    """Clicks and buys whatever it sees, wherever."""

    def react(self, visit: Visit, shown: Sequence[str], part: str) -> Reaction:
        every = tuple(range(len(shown)))
        return Reaction(every, every)


class OneItemShop:
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.sent: list[Json] = []

    def now(self) -> datetime:
        return START

    def set_clock(self, moment: datetime) -> datetime:
        return moment

    def recommend(self, **asked: object) -> Json:
        return {
            "impression_id": "of sponsored" if "slots" in asked else "of home",
            "model_version": "1",
            "items": [{"item_id": "tea", "price": 2.0, "position": 1}],
        }

    ads = recommend

    def send(self, events: Sequence[Json], moment: datetime) -> tuple[int, int]:
        self.sent += events
        return len(events), 0


@pytest.mark.parametrize("habit", [(), (Line("tea", 1.0, 2.0),)], ids=["taste", "habit too"])
def test_an_item_on_two_lists_is_bought_once_and_from_the_first(habit: tuple[Line, ...]):
    shop = OneItemShop()
    visit = Visit("v", "ann", START + timedelta(hours=1), "", habit, habit)
    Replay(shop, EagerShopper(), ReplaySettings()).run([visit], lambda done, moment: None)
    assert [(one["action_name"], one["query_id"]) for one in shop.sent] == [
        ("click", "of home"),
        ("purchase", "of home"),
        ("click", "of sponsored"),
    ]
    ids = [one["event_id"] for one in shop.sent]
    assert len(set(ids)) == len(ids)
