"""What the operations page reads of feedback ingestion's partitions, from a real store."""

import io
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components import storage
from components.schemas import ONLINE_METRICS
from components.serving.pages.feedback import read_feedback

pytestmark = pytest.mark.xdist_group("store")


def put(day: date, *rows: dict[str, object]) -> None:
    table = pa.Table.from_pylist(
        [dict.fromkeys(ONLINE_METRICS.names) | row for row in rows], ONLINE_METRICS
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    storage.put(buffer.getvalue(), f"feedback/day={day}/metrics.parquet")


def shown(day: date, impressions: int) -> dict[str, object]:
    return {"day": day, "surface": "home", "model_version": "fused-ranker/1",
            "impressions": impressions, "clicks": 1, "purchases": 1, "revenue": 2.0,
            "ctr": 0.1, "cvr": 1.0, "ctr_low": 0.0, "ctr_high": 0.2}  # fmt: skip


def test_empty_days_of_today_do_not_hide_a_replay_of_the_past(bucket: str) -> None:
    past, today = date(2017, 11, 5), date(2026, 11, 22)
    put(past, shown(past, 10))
    put(date(2017, 6, 1), shown(date(2017, 6, 1), 99))  # too long ago
    put(today)
    metrics = read_feedback(lambda item: None).metrics
    assert metrics[["day", "impressions"]].to_numpy().tolist() == [[past, 10]]


def test_no_partition_is_an_empty_table(bucket: str) -> None:
    assert read_feedback(lambda item: None).metrics.empty
