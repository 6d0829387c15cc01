"""Events since the model's day: in time order, each once."""

from components.platform import schemas
from components.platform.serving.clock import Clock
from components.platform.serving.event_hooks import EventHooks
from components.platform.serving.live_events import LiveEvents
from components.server.events.log import EventLog
from components.server.events.recovery import Recovery


def bought(event_id: str, second: int, price: float | None = None) -> dict:
    moment = f"2017-11-05T12:00:{second:02d}+00:00"
    return dict.fromkeys(schemas.SERVED_EVENTS.names) | {
        "event_id": event_id,
        "user_id": "a" * 32,
        "timestamp": moment,
        "event_type": "purchase",
        "item_id": "milk",
        "price": price,  # without one the record holds a NaN, which equals nothing
        "received_at": moment,
    }


def test_an_event_from_before_the_first_champion_counts_once(champion, tmp_path):
    live, hooks = LiveEvents(), EventHooks()
    log = EventLog.open(tmp_path, 1 << 20)
    hooks.subscribe(live.accept)
    log.subscribe(hooks.deliver)
    log.append([bought("b", 2), bought("a", 2, 1.5), bought("c", 1)], durable=True)
    before = live.revision("a" * 32)
    recovery = Recovery(log, hooks, Clock("data"))
    recovery.start("shop", champion.as_of)  # reads what lies in the spool
    log.append([bought("d", 3)], durable=True)
    log.close()
    assert [event.event_id for event in live.since("a" * 32, 0)] == ["c", "a", "b", "d"]
    assert live.revision("a" * 32) == before + 1


def test_the_latest_events_of_a_shopper_are_kept():
    live = LiveEvents(events=2)
    for second in (3, 1, 2):
        live.accept([bought(str(second), second) | {"user_id": "a"}])
    assert [event.event_id for event in live.since("a", 0)] == ["2", "3"]


def test_the_latest_active_shoppers_are_kept():
    live = LiveEvents(users=3)
    for second, user in enumerate("abcad"):
        live.accept([bought(str(second), second) | {"user_id": user}])
    assert [user for user in "abcd" if live.since(user, 0)] == ["a", "c", "d"]
    assert live.revision("b") == 0
    highest = max(live.revision(user) for user in "acd")
    live.accept([bought("5", 5) | {"user_id": "b"}])  # no state kept under an old revision fits
    assert live.revision("b") > highest
    assert live.revision("c") == 0
