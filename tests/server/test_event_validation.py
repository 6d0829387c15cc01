"""POST /events: one defined outcome for everything that may come."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from components.platform import schemas
from components.platform.params import FeedbackParams
from components.platform.pseudonyms import pseudonym
from components.platform.serving import clock, keys
from components.platform.serving.event_hooks import EventHooks
from components.platform.serving.event_validation import RejectedEvent, record_of
from components.platform.serving.segments import records_of, shipped_form
from components.server.app import answer_errors
from components.server.events import router as events
from components.server.events.log import EventLog

NOW = datetime(2017, 11, 5, 12, tzinfo=UTC)
KEY = {"Authorization": "Bearer secret"}
JSON = KEY | {"Content-Type": "application/json"}


def app_of(log: EventLog, own_clock: clock.Clock) -> FastAPI:
    """Return a server that takes events and sets its clock, and nothing else."""
    app = FastAPI()
    app.include_router(events.router(log, EventHooks(), own_clock, FeedbackParams))
    app.include_router(clock.router(own_clock))
    answer_errors(app)
    return app


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A server at noon of a replayed day, with its log and a client that has the event key."""
    own = SimpleNamespace(event_key=SecretStr("secret"), admin_key=SecretStr("admin"))
    monkeypatch.setattr(keys, "settings", lambda: own)
    log = EventLog.open(tmp_path, 1 << 20)
    server = SimpleNamespace(log=log, clock=clock.Clock("data"))
    server.clock.start(NOW)
    app = app_of(log, server.clock)
    with TestClient(app) as client:
        server.client = client
        yield server
    log.close()


def logged(shop) -> list[dict]:
    return [
        record
        for path in shop.log.segments()
        for record in records_of(shipped_form(path.read_bytes()))
    ]


def event(**values: object) -> dict:
    return {
        "event_id": "e1",
        "action_name": "click",
        "query_id": "imp",
        "user_id": "anna",
        "session_id": "s",
        "timestamp": NOW.isoformat(),
        "event_attributes": {"object": {"object_id": "milk"}, "position": {"ordinal": 2}},
    } | values


def send(shop, *sent: object):
    return shop.client.post("/events", json={"events": list(sent)}, headers=KEY)


def test_an_event_becomes_a_record_of_the_contract_and_the_shopper_a_pseudonym(shop):
    assert send(shop, event()).json() == {"accepted": 1, "duplicates": 0, "rejected": []}
    (record,) = logged(shop)
    assert list(record) == schemas.SERVED_EVENTS.names
    assert record | {k: None for k, v in record.items() if v is None} == record
    assert {k: v for k, v in record.items() if v is not None} == {
        "event_id": "e1",
        "user_id": pseudonym("anna"),
        "session_id": "s",
        "timestamp": NOW.isoformat(),
        "event_type": "click",
        "item_id": "milk",
        "position": 2,
        "impression_id": "imp",
        "received_at": NOW.isoformat(),
    }


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"timestamp": "2017-11-05T12:00:00"}, "no offset from UTC"),
        ({"timestamp": (NOW + timedelta(minutes=5, seconds=1)).isoformat()}, "later than 0:05:00"),
        ({"timestamp": (NOW - timedelta(days=30, seconds=1)).isoformat()}, "30 days old"),
        ({"timestamp": "yesterday"}, "timestamp"),
        ({"timestamp": "0001-01-01T00:00:00+14:00"}, "out of range"),
        ({"action_name": "impression"}, "action_name"),
        ({"action_name": "rating"}, "stars"),
        ({"event_attributes": {}}, "an item is missing"),
        ({"event_attributes": {"object": {"object_id": ""}}}, "object_id"),
        ({"event_id": ""}, "event_id"),
        ({"event_id": 7}, "event_id"),
        ({"user_id": None}, "user_id"),
        ({"user_id": "x" * 257}, "user_id"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_bad_event_is_refused_with_a_reason_and_its_neighbours_are_taken(shop, values, reason):
    answer = send(shop, event(event_id="a"), event(**values), event(event_id="b")).json()
    assert answer["accepted"] == 2
    (rejected,) = answer["rejected"]
    assert rejected["index"] == 1
    assert reason in rejected["reason"]
    assert "anna" not in rejected["reason"]
    assert [record["event_id"] for record in logged(shop)] == ["a", "b"]


@pytest.mark.parametrize(
    "values",
    [
        {"timestamp": (NOW + timedelta(minutes=5)).isoformat()},  # a clock that is a little ahead
        {"timestamp": (NOW - timedelta(days=30)).isoformat()},
        {"timestamp": "2017-11-05T13:30:00+02:00"},  # out of order, in another zone
        {"query_id": None},  # a click without an impression: an orphan downstream
        {"query_id": "never-shown"},
        {"event_attributes": {"object": {"object_id": "unicorn"}}},  # quarantined downstream
        {"action_name": "purchase", "event_attributes": {"object": {"object_id": "milk"}}},
    ],
)
def test_what_is_odd_but_possible_is_taken(shop, values):
    assert send(shop, event(**values)).json()["accepted"] == 1


def test_the_same_event_again_is_acknowledged_and_logged_once(shop):
    assert send(shop, event(), event()).json()["duplicates"] == 1
    again = send(shop, event(timestamp=(NOW - timedelta(days=1)).isoformat())).json()
    assert again == {"accepted": 0, "duplicates": 1, "rejected": []}
    assert len(logged(shop)) == 1


def test_no_client_sets_the_price_of_a_click(shop):
    about = {"object": {"object_id": "milk"}, "price": 99.0, "value": 2.0}
    send(shop, event(event_attributes=about))
    send(shop, event(event_id="p", action_name="purchase", event_attributes=about))
    assert [record["price"] for record in logged(shop)] == [None, 99.0]


def test_the_event_key_is_needed(shop, monkeypatch):
    body = {"events": [event()]}
    for sent in ("Bearer wrong", "Basic secret", "Bearer admin", "Bearer", ""):
        headers = {"Authorization": sent} if sent else {}
        answer = shop.client.post("/events", json=body, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert (
        shop.client.post(
            "/events", json=body, headers={"Authorization": "Bearer admin"}
        ).status_code
        == 401
    )
    monkeypatch.setattr(keys, "settings", lambda: SimpleNamespace(event_key=None))
    assert send(shop, event()).status_code == 503
    assert logged(shop) == []


def test_a_full_spool_answers_503_and_says_when_to_come_back(shop):
    shop.log.max_bytes = 100
    answer = send(shop, event())
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    shop.log.max_bytes = 1 << 20
    assert send(shop, event()).json()["accepted"] == 1


def test_before_the_shop_has_a_time_nothing_is_taken(shop):
    with TestClient(app_of(shop.log, clock.Clock("data"))) as client:
        answer = client.post("/events", json={"events": [event()]}, headers=KEY)
    assert answer.status_code == 503


def test_the_clock_of_a_replay_goes_forward_only(shop):
    admin = {"Authorization": "Bearer admin"}
    later = "2017-11-06T00:00:00Z"
    moved = shop.client.post("/admin/clock", json={"now": later}, headers=admin)
    assert moved.json() == {"now": later}
    back = shop.client.post("/admin/clock", json={"now": NOW.isoformat()}, headers=admin)
    assert back.json() == {"now": later}
    naive = shop.client.post("/admin/clock", json={"now": "2017-11-07T00:00:00"}, headers=admin)
    assert naive.status_code == 422
    assert shop.client.post("/admin/clock", json={"now": later}, headers=KEY).status_code == 401
    shop.clock.mode = "real"
    refused = shop.client.post("/admin/clock", json={"now": later}, headers=admin)
    assert refused.status_code == 409
    assert abs(shop.clock.now() - datetime.now(UTC)) < timedelta(seconds=5)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
nearly = st.fixed_dictionaries(
    {},
    optional={
        **{name: anything | st.just(value) for name, value in event().items()},
        "event_attributes": st.fixed_dictionaries(
            {},
            optional={
                "object": st.fixed_dictionaries({"object_id": anything}),
                "value": anything,
                "price": anything,
                "position": anything,
            },
        ),
    },
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sent=st.lists(nearly | anything.map(lambda value: {"x": value}), max_size=4))
def test_any_body_is_accepted_counted_or_refused_and_never_breaks_the_server(shop, sent):
    body = json.dumps({"events": sent})  # NaN, Infinity and lone surrogates included
    answer = shop.client.post("/events", content=body, headers=JSON)
    if not sent:
        assert answer.status_code == 422
        return
    assert answer.status_code == 200
    told = answer.json()
    assert told["accepted"] + told["duplicates"] + len(told["rejected"]) == len(sent)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=st.binary(max_size=200) | anything.map(lambda value: json.dumps(value).encode()))
@example(body=b"Infinity")
def test_a_body_that_is_no_batch_is_a_client_s_mistake(shop, body):
    answer = shop.client.post("/events", content=body, headers=JSON)
    assert answer.status_code in {400, 422}


def test_params_say_how_far_an_events_time_may_be_from_the_servers():
    sent = {
        "event_id": "e1",
        "user_id": "anna",
        "action_name": "view",
        "event_attributes": {"object": {"object_id": "mug"}},
    }
    params = FeedbackParams(clock_skew_minutes=1, oldest_event_days=2)
    for late, taken in ((-3 * 1440, False), (-1440, True), (0.5, True), (3, False)):
        event = sent | {"timestamp": (NOW + timedelta(minutes=late)).isoformat()}
        if taken:
            assert record_of(event, NOW, params)["item_id"] == "mug"
        else:
            with pytest.raises(RejectedEvent, match="timestamp"):
                record_of(event, NOW, params)
