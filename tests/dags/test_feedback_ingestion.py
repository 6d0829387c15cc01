"""The DAG `feedback_ingestion`: integrity, policy and partitions."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from airflow.sdk.exceptions import ParamValidationError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def dag(bag):
    return bag.dags["feedback_ingestion"]


def test_policy(dag):
    assert dag.catchup is False
    assert dag.max_active_runs == 1
    assert "backfill" in dag.doc_md
    for task in dag.tasks:
        assert task.owner == "shopfusion"
        assert task.retries == 2
        assert timedelta(0) < task.execution_timeout <= timedelta(hours=2)


def test_it_announces_feedback_and_judges_afterwards(dag):
    outlets = {task.task_id: [asset.name for asset in task.outlets] for task in dag.tasks}
    assert outlets == {"ingest": ["feedback"], "counterfactual": [], "judge": []}
    assert dag.get_task("ingest").downstream_task_ids == {"counterfactual"}
    assert dag.get_task("counterfactual").downstream_task_ids == {"judge"}


def test_a_partition_is_a_day_of_utc(dag):
    """Asset-only DAGs cannot be backfilled: this one has a calendar of its own."""
    interval = dag.timetable.infer_manual_data_interval(
        run_after=datetime(2017, 11, 6, 3, tzinfo=UTC)
    )
    assert interval.start == datetime(2017, 11, 5, tzinfo=UTC)
    assert interval.end == datetime(2017, 11, 6, tzinfo=UTC)


@pytest.mark.parametrize("value", [None, "2017-11-05"])
def test_the_day_is_a_choice(dag, value):
    assert dag.params.get_param("day").resolve(value) == value


def test_a_day_that_is_none_is_refused(dag):
    with pytest.raises(ParamValidationError):
        dag.params.get_param("day").resolve("yesterday")


def test_reading_the_dag_imports_nothing_heavy():
    heavy = ("torch", "mlflow", "dvc", "pandas", "pyarrow", "boto3", "duckdb")
    script = f"import sys, feedback_ingestion; print([n for n in {heavy} if n in sys.modules])"
    finished = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT / "dags",
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout.strip() == "[]"
