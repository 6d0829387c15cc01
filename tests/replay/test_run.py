"""One pass of a replay against a shop that always shows the same item."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from components.platform.params import FeedbackParams
from components.platform.serving.event_validation import record_of
from services.replay.run import Replay
from services.replay.settings import ReplaySettings
from services.replay.shop import Json
from services.replay.shoppers import Reaction, RealBaskets
from services.replay.visits import Line, Rating, Visit

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
    assert [(event["action_name"], event["query_id"]) for event in shop.sent] == [
        ("click", "of home"),
        ("purchase", "of home"),
        ("click", "of sponsored"),
    ]
    ids = [event["event_id"] for event in shop.sent]
    assert len(set(ids)) == len(ids)


def played(
    visits: Sequence[Visit], ratings: Sequence[Rating] = (), **settings: float
) -> list[Json]:
    shop = OneItemShop()
    work = Replay(shop, RealBaskets(), ReplaySettings(ad_slots=0, **settings), ratings)
    work.run(visits, lambda done, moment: None)
    return shop.sent


def visit(minutes: float) -> Visit:
    basket = (Line("milk", 1.0, 2.0),)
    return Visit(f"v{minutes:g}", "ann", START + timedelta(minutes=minutes), "", basket, basket)


class Wall:
    """A clock on the wall that only sleeping moves."""

    def __init__(self) -> None:
        self.passed = 0.0

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.passed += seconds


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    made = Wall()
    monkeypatch.setattr("services.replay.run.time", made)
    return made


def test_a_speed_holds_the_time_of_the_shop_and_that_on_the_wall_together(wall: Wall):
    assert len(played([visit(1), visit(3), visit(5)], speed=480)) == 3
    assert wall.passed == pytest.approx(0.5)  # four minutes at 480 seconds a second


def test_without_a_speed_nothing_is_waited_for(wall: Wall):
    assert len(played([visit(1), visit(5)])) == 2
    assert wall.passed == 0


def test_a_replay_stops_at_once_before_a_visit_that_its_time_does_not_reach(wall: Wall):
    assert len(played([visit(1), visit(2), visit(600)], speed=600, most_seconds=0.5)) == 2
    assert wall.passed == pytest.approx(0.1)


def test_a_rating_arrives_under_its_own_time_with_the_visit_that_follows_it():
    given = [
        Rating(f"r{minutes}", "bob", START + timedelta(minutes=minutes), "tea", 4.0)
        for minutes in (2, 4, 90)
    ]
    sent = played([visit(1), visit(3), visit(60)], given)
    assert [event["event_id"] for event in sent if event["action_name"] == "rating"] == [
        "replay-0-rating-r2",
        "replay-0-rating-r4",  # the third is given after the last visit: it has not happened yet
    ]
    rating = sent[1]
    assert rating["timestamp"] == given[0].moment.isoformat()
    assert rating["event_attributes"] == {"object": {"object_id": "tea"}, "value": 4.0}
    now = START + timedelta(minutes=3)
    assert record_of(rating, now, FeedbackParams())["value"] == 4.0  # as the server takes it


def test_a_shopper_is_shown_what_their_own_rating_made_of_it_and_not_what_was_before():
    class Watchful(OneItemShop):
        def recommend(self, **asked: object) -> Json:
            self.sent.append({"action_name": "asked"})
            return super().recommend(**asked)

    shop, given = Watchful(), [Rating("r", "ann", START + timedelta(minutes=4), "tea", 4.0)]
    work = Replay(shop, RealBaskets(), ReplaySettings(ad_slots=0), given)
    other = Visit("v0", "bob", START + timedelta(minutes=3), "", (), ())
    work.run([other, visit(5)], lambda done, moment: None)
    assert [event["action_name"] for event in shop.sent] == ["asked", "rating", "asked", "purchase"]
