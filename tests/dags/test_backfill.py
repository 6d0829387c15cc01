"""Airflow's own backfill of the DAG `feedback_ingestion`: two days of the past, one run each."""

import io
from collections.abc import Iterator
from datetime import date

import httpx
import pyarrow.parquet as pq
import pytest

from components.platform import schemas, storage
from components.platform.feedback.partitions import key_of
from components.platform.serving.segments import PREFIX, framed, shipped_form
from components.platform.settings import settings
from services.lifecycle import environment
from tests.dags.promoting import AIRFLOW_SECONDS, runs, signed_in
from tests.running import Platform
from tests.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("services"), pytest.mark.timeout(1800)]
DAG = "feedback_ingestion"
FIRST, LAST = date(2017, 11, 5), date(2017, 11, 6)


@pytest.fixture
def airflow(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """Airflow, and two days of events in its S3 store: an answer of two items, a click on each."""
    for name, value in environment(platform.settings).items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    key = f"{PREFIX}backfilled.jsonl.gz"
    storage.put(shipped_form(framed([*events(FIRST), *events(LAST)])), key)
    with signed_in(platform) as http:
        yield http
    for kept in [*storage.stored(key), *storage.stored("feedback/")]:
        storage.client().delete_object(Bucket=settings().s3_bucket, Key=kept.key)
    settings.cache_clear()


def events(day: date) -> list[dict[str, object]]:
    """Return what a shopper saw and clicked at noon, in SERVED_EVENTS columns."""
    shown = {"impression_id": f"seen-{day}", "surface": "home", "model_version": "fused-ranker/1"}
    common = (
        dict.fromkeys(schemas.SERVED_EVENTS.names)
        | shown
        | {
            "user_id": "a" * 32,
            "item_id": "milk",
            "timestamp": f"{day}T12:00:00+00:00",
            "received_at": f"{day}T12:00:00+00:00",
        }
    )
    seen = {
        "event_type": "impression",
        "position": 1,
        "propensity": 1.0,
        "policy": "fused",
        "value": 1.0,
    }
    return [
        common | seen | {"event_id": f"seen-{day}:1"},
        common
        | {"event_type": "click", "event_id": f"click-{day}"}
        | dict.fromkeys(("timestamp", "received_at"), f"{day}T12:01:00+00:00"),
    ]


def test_a_backfill_of_two_past_days_writes_both_partitions(airflow: httpx.Client):
    wait_until(lambda: airflow.get(f"/api/v2/dags/{DAG}").is_success, "the DAG", AIRFLOW_SECONDS)
    asked = {"dag_id": DAG, "from_date": f"{FIRST}T00:00:00Z", "to_date": f"{LAST}T00:00:00Z"} | {
        "max_active_runs": 1  # the limit of the DAG does not hold for a backfill
    }
    answers: list[httpx.Response] = []

    def made() -> bool:
        answers.append(airflow.post("/api/v2/backfills", json=asked))
        assert answers[-1].status_code in {200, 503}, answers[-1].text  # 503: SQLite is locked
        return answers[-1].is_success

    wait_until(made, "the backfill", AIRFLOW_SECONDS)
    path = f"/api/v2/backfills/{answers[-1].json()['id']}"
    wait_until(lambda: airflow.get(path).json()["completed_at"], "the backfill's end", 900)
    backfills = [run for run in runs(airflow, DAG) if run["run_type"] == "backfill"]
    assert {run["data_interval_start"][:10]: run["state"] for run in backfills} == {
        str(FIRST): "success",
        str(LAST): "success",
    }
    for run in backfills:  # whatever else was new, each run did its own day
        value = "taskInstances/ingest/xcomEntries/return_value"
        written = airflow.get(f"/api/v2/dags/{DAG}/dagRuns/{run['dag_run_id']}/{value}").json()
        assert run["data_interval_start"][:10] in written["value"]
    for day in (FIRST, LAST):
        rows = pq.read_table(io.BytesIO(storage.get(key_of(day, "labelled.parquet")))).to_pylist()
        assert [(row["item_id"], row["clicked"]) for row in rows] == [("milk", True)]
        assert storage.stored(key_of(day, "metrics.parquet"))
