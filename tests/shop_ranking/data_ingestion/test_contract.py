import json
import math
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.platform import schemas
from components.shop_ranking.data_ingestion.adapter import Batch
from components.shop_ranking.data_ingestion.contract import MAX_TEXT, check

texts = st.one_of(st.none(), st.just(""), st.text(st.characters(codec="utf-8"), max_size=8))
numbers = st.one_of(
    texts,
    st.integers().map(str),
    st.floats(width=32).map(str),
    st.sampled_from(["inf", "NaN", "1e99"]),
)
times = st.one_of(
    texts,
    st.datetimes(datetime(1960, 1, 1), datetime(2120, 1, 1)).map(lambda t: t.isoformat()),
    st.integers(-(10**10), 10**16).map(str),
    st.sampled_from(["2024-02-30", "2024-03-01 25:00", "2024-03-01T10:00:00+02:00", "now"]),
)
kinds = st.one_of(texts, st.sampled_from([*schemas.EVENT_TYPES, "Purchase", "return"]))
EVENT = {
    "event_id": texts,
    "user_id": texts,
    "timestamp": times,
    "event_type": kinds,
    "item_id": texts,
    "query": texts,
    "position": numbers,
    "propensity": numbers,
    "value": numbers,
}


def events_of(rows: list[dict[str, str | None]]) -> Batch:
    columns = {name: pa.array([row[name] for row in rows], pa.string()) for name in EVENT}
    return Batch("events", "events.csv", pa.table(columns))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.fixed_dictionaries(EVENT), min_size=1, max_size=30))
def test_every_event_is_kept_by_the_contract_or_set_aside_with_a_reason(rows: list[dict]) -> None:
    checked = check(events_of(rows))
    assert checked.rows.num_rows + checked.quarantined.num_rows == len(rows)
    assert all(checked.quarantined["reason"].to_pylist())
    for row in checked.quarantined["row"].to_pylist():
        assert set(json.loads(row)) == set(EVENT)
    for row in checked.rows.to_pylist():
        assert row["event_id"]
        assert row["user_id"]
        assert 1970 <= row["timestamp"].year <= 2100
        assert row["event_type"] in schemas.EVENT_TYPES
        assert row["item_id"] or row["event_type"] == "search"
        assert row["query"] or row["event_type"] != "search"
        assert row["value"] is None or math.isfinite(row["value"])
        assert row["value"] is not None or row["event_type"] != "rating"
        assert row["propensity"] is None or 0 < row["propensity"] <= 1


sound = st.fixed_dictionaries(
    {
        **EVENT,
        "user_id": st.text("abc", min_size=1),
        "timestamp": st.datetimes(datetime(1970, 1, 1), datetime(2100, 12, 31)).map(str),
        "event_type": st.sampled_from([k for k in schemas.EVENT_TYPES if k != "search"]),
        "item_id": st.text("xyz", min_size=1),
        "position": st.one_of(st.none(), st.integers(0, 2**31 - 1).map(str)),
        "propensity": st.one_of(st.none(), st.sampled_from(["1", "0.25", "1e-3"])),
        "value": st.integers(0, 5).map(str),
    }
)


@settings(max_examples=30, deadline=None)
@given(st.lists(sound, min_size=1, max_size=20))
def test_no_sound_event_is_set_aside(rows: list[dict]) -> None:
    checked = check(events_of(rows))
    assert checked.quarantined.to_pylist() == []
    assert checked.rows["user_id"].to_pylist() == [row["user_id"] for row in rows]
    times = [datetime.fromisoformat(row["timestamp"]).replace(tzinfo=UTC) for row in rows]
    assert checked.rows["timestamp"].to_pylist() == times


GOOD = {
    "products": {"item_id": "p"},
    "events": {
        "event_id": "e",
        "user_id": "u",
        "timestamp": "2024-03-01",
        "event_type": "view",
        "item_id": "p",
    },
    "orders": {
        "order_id": "o",
        "user_id": "u",
        "timestamp": "2024-03-01",
        "item_id": "p",
        "quantity": "1",
    },
    "campaigns": {"campaign_id": "c", "item_ids": "[p, q]"},
    "judgments": {"query": "mug", "item_id": "p", "grade": "2"},
}


def reason_of(table: str, changes: dict[str, object]) -> str | None:
    row = {**GOOD[table], **changes}
    rows = pa.table({name: [value] for name, value in row.items()})
    checked = check(Batch(table, "file", rows))
    reasons = checked.quarantined["reason"].to_pylist()
    assert checked.rows.num_rows + len(reasons) == 1
    return reasons[0] if reasons else None


@pytest.mark.parametrize(
    ("table", "changes", "reason"),
    [
        ("products", {}, None),
        ("products", {"item_id": ""}, "item_id is missing"),
        ("products", {"item_id": "p" * 257}, "item_id is longer than 256 characters"),
        ("products", {"title": "x" * MAX_TEXT}, None),
        ("products", {"title": "x" * 100_000}, "title is longer than 20,000 characters"),
        ("products", {"price": "-0.01"}, "price is negative"),
        ("products", {"price": "cheap"}, "price is not a number"),
        ("products", {"price": "NaN"}, "price is not a number"),
        ("products", {"price": float("nan")}, "price is not a number"),
        ("products", {"price": 3}, None),
        ("products", {"attributes": '{"colour": "red"}'}, None),
        ("products", {"attributes": "red"}, "attributes is not a map of texts"),
        ("products", {"text_embedding": "[0.5, 1]"}, None),
        ("products", {"text_embedding": "[1, a]"}, "text_embedding is not a list"),
        ("products", {"text_embedding": [1.0, float("nan")]}, "text_embedding is not a list"),
        ("products", {"created_at": "yesterday"}, "created_at is not a date and time"),
        ("events", {"event_id": None}, None),
        ("events", {"user_id": None}, "user_id is missing"),
        ("events", {"timestamp": None}, "timestamp is missing"),
        ("events", {"timestamp": "0001-01-01"}, "timestamp is not a date and time"),
        ("events", {"event_type": "teleport"}, "event_type is none of 'impression', 'view'"),
        ("events", {"event_type": "rating"}, "value is missing from a rating"),
        ("events", {"event_type": "search"}, "query is missing from a search"),
        ("events", {"event_type": "search", "item_id": None, "query": "mug"}, None),
        ("events", {"item_id": None}, "item_id is missing"),
        ("events", {"position": "1.5"}, "position is not a whole number"),
        ("events", {"propensity": "0"}, "propensity is not in (0, 1]"),
        ("orders", {"quantity": "-1"}, None),  # a return
        ("orders", {"quantity": ""}, "quantity is missing"),
        ("orders", {"quantity": "two"}, "quantity is not a number"),
        ("orders", {"unit_price": "-2"}, "unit_price is negative"),
        ("orders", {"discount": "-2"}, "discount is negative"),
        ("campaigns", {}, None),
        ("campaigns", {"item_ids": None}, "item_ids is missing"),
        ("campaigns", {"bid": "-1"}, "bid is negative"),
        (
            "campaigns",
            {"starts_at": "2024-03-02", "ends_at": "2024-03-01"},
            "ends_at is before starts_at",
        ),
        ("judgments", {}, None),
        ("judgments", {"grade": "1000"}, "grade is not a whole number"),
    ],
)
def test_rules(table: str, changes: dict[str, object], reason: str | None) -> None:
    given = reason_of(table, changes)
    assert given == reason or (reason and given and given.startswith(reason))


@pytest.mark.parametrize(
    "given_time",
    [
        "2024-03-01T11:00:00Z",
        "2024-03-01 11:00:00",
        "2024-03-01 12:00:00+01:00",
        "1709290800",
        1709290800,
        1709290800_000,
        1709290800.0,
        datetime(2024, 3, 1, 11),
        datetime(2024, 3, 1, 11, tzinfo=UTC),
    ],
)
def test_times_are_utc(given_time: object) -> None:
    rows = pa.table({name: [v] for name, v in {**GOOD["events"], "timestamp": given_time}.items()})
    [row] = check(Batch("events", "file", rows)).rows.to_pylist()
    assert row["timestamp"] == datetime(2024, 3, 1, 11, tzinfo=UTC)


def test_values_become_the_contract_s_types() -> None:
    rows = pa.table({"campaign_id": [7], "item_ids": ["[p, q]"], "bid": ["0.5"]})
    [row] = check(Batch("campaigns", "file", rows)).rows.to_pylist()
    assert row["campaign_id"] == "7"
    assert row["item_ids"] == ["p", "q"]
    rows = pa.table({"item_id": [7], "attributes": ['{"a": 1, "b": "x"}']})
    [row] = check(Batch("products", "file", rows)).rows.to_pylist()
    assert row["attributes"] == [("a", "1"), ("b", "x")]
