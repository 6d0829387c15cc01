"""Feedback as training data: no basket twice, nothing of the wrong time, pseudonyms as they are."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from components.platform import schemas
from components.platform.errors import DataError
from components.platform.feedback.served_events import days, read_feedback, snapshot
from components.platform.files import read_table, write_table
from components.shop_ranking.data_ingestion import acquisition
from components.shop_ranking.data_ingestion import component as ingestion
from components.shop_ranking.params import Params
from tests.world import TINY

START = datetime(2024, 3, 1, tzinfo=UTC)


def served(**columns: object) -> dict[str, object]:
    """One served event: a purchase unless said otherwise."""
    when = columns.get("timestamp", START)
    return {
        "event_id": "e1", "user_id": "a" * 32, "session_id": "basket-1", "timestamp": when,
        "event_type": "purchase", "item_id": "i1", "value": 2.0, "price": 1.5,
        "received_at": when, **columns,
    }  # fmt: skip


def write(folder: Path, *events: dict[str, object]) -> Path:
    """Write events as feedback ingestion does, by day."""
    for day in sorted({event["timestamp"].date() for event in events}):
        rows = [event for event in events if event["timestamp"].date() == day]
        table = pa.Table.from_pylist(rows, schema=schemas.SERVED_EVENTS)
        write_table(table, folder / f"day={day}" / "events.parquet")
    return folder


def ingest(run: Path, feedback: Path | None = None) -> Path:
    params = Params.model_validate(
        {
            "data": {
                "dataset": "simulated-shop",
                "simulation": TINY,
                "feedback": str(feedback) if feedback else None,
            }
        }
    )
    acquisition.run(params, raw=run / "raw")
    ingestion.run(params, raw=run / "raw", tables=run / "tables")
    return run / "tables"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables of the tiny world without feedback."""
    return ingest(tmp_path_factory.mktemp("shop"))


def replayed(orders: pa.Table, since: datetime) -> list[dict[str, object]]:
    """The orders from a moment on, as the server would log them when they are played."""
    kept = orders.filter(pc.greater_equal(orders["timestamp"], pa.scalar(since, schemas.UTC)))
    return [
        served(
            event_id=f"replay-{number}",
            user_id=row["user_id"],
            session_id=row["order_id"],
            timestamp=row["timestamp"],
            item_id=row["item_id"],
            value=row["quantity"],
            price=row["unit_price"],
        )
        for number, row in enumerate(kept.to_pylist())
    ]


def test_a_replay_of_the_raw_baskets_counts_each_basket_once(shop, tmp_path):
    orders = read_table(shop / "orders.parquet")
    last = pc.max(orders["timestamp"]).as_py()
    events = replayed(orders, last - timedelta(days=14))
    tables = ingest(tmp_path / "run", write(tmp_path / "feedback", *events))
    again = read_table(tables / "orders.parquet")
    key = ["order_id", "user_id", "item_id", "timestamp", "quantity", "unit_price"]
    order = [(name, "ascending") for name in key]
    assert again.select(key).sort_by(order).equals(orders.select(key).sort_by(order))
    bought = read_table(tables / "events.parquet").filter(pc.field("event_type") == "purchase")
    was = read_table(shop / "events.parquet").filter(pc.field("event_type") == "purchase")
    assert bought.num_rows == was.num_rows


def test_feedback_adds_what_happened_after_the_raw_data(shop, tmp_path):
    orders, events = (read_table(shop / f"{name}.parquet") for name in ("orders", "events"))
    later = pc.max(events["timestamp"]).as_py() + timedelta(days=1)
    user, item = orders["user_id"][0].as_py(), orders["item_id"][0].as_py()
    feedback = write(
        tmp_path / "feedback",
        served(event_id="shown", event_type="impression", timestamp=later, user_id=user),
        served(event_id="seen", event_type="click", timestamp=later, user_id=user, item_id=item),
        served(event_id="bought", timestamp=later, user_id=user, item_id=item),
        served(event_id="new", timestamp=later + timedelta(days=1), user_id="b" * 32),
    )
    tables = ingest(tmp_path / "run", feedback)
    after = read_table(tables / "events.parquet")
    added = after.filter(pc.is_in(after["event_id"], pa.array(["shown", "seen", "bought", "new"])))
    assert after.num_rows == events.num_rows + 3
    assert added["event_type"].to_pylist() == ["purchase", "click", "purchase"]  # by id in time
    assert set(added["user_id"].to_pylist()) == {user, "b" * 32}  # not hashed a second time
    sold = read_table(tables / "orders.parquet")
    assert sold.num_rows == orders.num_rows + 2
    assert sold.slice(sold.num_rows - 2)["unit_price"].to_pylist() == [1.5, 1.5]
    assert "i1" in read_table(tables / "products.parquet")["item_id"].to_pylist()  # a bare one


def test_ingesting_twice_gives_the_same_bytes(tmp_path):
    feedback = write(tmp_path / "feedback", served(timestamp=datetime(2030, 1, 1, tzinfo=UTC)))
    first, second = (ingest(tmp_path / name, feedback) for name in ("one", "two"))
    for name in ("orders", "events", "products"):
        path = f"{name}.parquet"
        assert (first / path).read_bytes() == (second / path).read_bytes()


def test_an_event_from_before_the_servers_first_record_is_left_out(tmp_path):
    """A wrong clock, or a time that the raw data tell of: it would count twice, or move the cut."""
    early = served(event_id="early", timestamp=START - timedelta(days=900), received_at=START)
    feedback = read_feedback(write(tmp_path, early, served(event_id="right")))
    assert feedback.since == START
    assert feedback.events["event_id"].to_pylist() == ["right"]


def test_the_same_event_in_two_partitions_counts_once(tmp_path):
    twice = served(timestamp=START + timedelta(days=1), received_at=START + timedelta(days=1))
    assert read_feedback(write(tmp_path, served(), twice)).events.num_rows == 1


def test_a_snapshot_has_the_partitions_and_a_missing_folder_is_named(tmp_path):
    feedback = write(tmp_path / "f", served(), served(timestamp=START + timedelta(days=2)))
    assert snapshot(str(feedback), tmp_path / "copy") == 2
    assert [str(day) for day in days(tmp_path / "copy")] == ["2024-03-01", "2024-03-03"]
    assert read_feedback(tmp_path / "nothing") is None
    with pytest.raises(DataError, match=r"data\.feedback to name a folder"):
        snapshot(str(tmp_path / "gone"), tmp_path / "copy")
