"""What the operations page reads of feedback ingestion's partitions, from a real store."""

import io
import json
from datetime import date
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from components.platform import storage
from components.platform.feedback.off_policy import VALUES
from components.platform.feedback.partitions import key_of, read_parquet
from components.platform.schemas import ONLINE_METRICS
from components.platform.settings import settings
from components.shop_ranking.pages import operations
from components.shop_ranking.pages.feedback import read_feedback

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


def test_what_another_reader_of_feedback_downloaded_is_not_downloaded_again(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(day := date(2017, 11, 5), shown(day, 4321))
    read_parquet(key_of(day, "metrics.parquet"))
    for name in ("get", "download"):
        monkeypatch.delattr(storage, name)
    assert read_feedback(lambda item: None).metrics["impressions"].tolist() == [4321]


def test_no_partition_is_an_empty_table(bucket: str) -> None:
    assert read_feedback(lambda item: None).metrics.empty


def test_the_page_says_what_a_challenger_would_have_earned(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOPFUSION_ADMIN_KEY", "key-of-admins")
    settings.cache_clear()
    put(date(2017, 11, 5), shown(date(2017, 11, 5), 10))
    context: Any = SimpleNamespace(
        category_of=lambda item: None, labels=tuple, version=lambda: "ranker/1", now=lambda: None
    )
    app = FastAPI()
    app.include_router(operations.router(context))
    with TestClient(app) as person:
        person.post("/operations/sign-in", data={"key": "key-of-admins"})
        before = person.get("/operations").text
        storage.put(json.dumps({"ranker/2": {"conclusion": ".11 a slot: better"}}).encode(), VALUES)
        after = person.get("/operations").text
    assert "By surface and model" in before
    assert "challengers would have earned" not in before
    assert "<td>ranker/2</td><td>.11 a slot: better</td>" in after
