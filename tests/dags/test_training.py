"""The DAG `training`: integrity, policy, and that it is dvc.yaml."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from dvc.repo import Repo

from orchestration.cores import threads
from orchestration.graph import load_pipeline

ROOT = Path(__file__).resolve().parents[2]
AROUND = {"workspace", "publish"}


@pytest.fixture(scope="module")
def dvc_edges() -> set[tuple[str, str]]:
    """(earlier, later) as DVC itself understands dvc.yaml."""
    graph = Repo(ROOT).index.graph
    return {(first.name, second.name) for second, first in graph.edges}


def test_the_edges_are_those_that_dvc_sees(training, dvc_edges):
    rendered = {
        (task.task_id, later)
        for task in training.tasks
        for later in task.downstream_task_ids
        if not {task.task_id, later} & AROUND
    }
    assert rendered == dvc_edges


def test_every_stage_of_dvc_yaml_is_a_task(training):
    assert set(training.task_ids) - AROUND == set(load_pipeline(ROOT / "dvc.yaml").stages)


def test_it_starts_with_the_workspace_and_ends_with_publishing(training):
    assert [task.task_id for task in training.roots] == ["workspace"]
    assert [task.task_id for task in training.leaves] == ["publish"]
    assert training.topological_sort()  # no cycle


def test_policy(training):
    assert training.max_active_runs == 1
    assert training.catchup is False
    assert training.doc_md
    assert training.tags
    for task in training.tasks:
        assert task.owner == "shopfusion"
        assert task.retries == 1
        assert timedelta(0) < task.execution_timeout <= timedelta(hours=12)
        if task.task_id not in AROUND:
            assert task.task_type == "StageOperator"  # an error of the input is not tried again


def test_assets_are_what_other_dags_wait_for(training):
    outlets = {task.task_id: [asset.name for asset in task.outlets] for task in training.tasks}
    assert {name: found for name, found in outlets.items() if found} == {
        "data_preparation": ["prepared_data"],
        "model_registration": ["challenger"],
    }


def test_stages_that_run_side_by_side_share_the_cores():
    pipeline = load_pipeline(ROOT / "dvc.yaml")
    assert pipeline.beside("text_pretraining") == 5
    assert pipeline.beside("fusion_training") == 1
    assert threads(10_000) == 1
    assert threads(1) >= threads(2)


def test_reading_the_dag_imports_nothing_heavy():
    heavy = ("torch", "mlflow", "dvc", "pandas", "pyarrow", "boto3", "duckdb")
    script = f"import sys, training; print([n for n in {heavy} if n in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT / "dags",
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "[]"
