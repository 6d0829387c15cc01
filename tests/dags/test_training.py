"""The trainings: integrity, policy, and that they are dvc.yaml."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo

from components.applications import APPLICATIONS, stages
from components.platform.cores import usable_cores
from components.platform.errors import ParamsError
from orchestration.cores import threads
from orchestration.graph import Pipeline, load_pipeline
from orchestration.runs import folder

ROOT = Path(__file__).resolve().parents[2]
AROUND = {"workspace", "publish"}


def pipeline() -> Pipeline:
    """The stages of shop ranking in dvc.yaml."""
    return load_pipeline(ROOT / "dvc.yaml", ["shop_ranking"]).of("shop_ranking")


def whole() -> Pipeline:
    """All stages in dvc.yaml."""
    return load_pipeline(ROOT / "dvc.yaml", [owner.name for owner in APPLICATIONS])


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
    assert set(training.task_ids) - AROUND == set(pipeline().stages)


def test_it_starts_with_the_workspace_and_ends_with_publishing(training):
    assert [task.task_id for task in training.roots] == ["workspace"]
    assert [task.task_id for task in training.leaves] == ["publish"]
    assert training.topological_sort()  # no cycle


def test_policy(training):
    assert training.max_active_runs == 1
    assert training.catchup is False
    assert training.doc_md
    assert training.tags
    assert training.tags == {"training", "shop_ranking"}
    for task in training.tasks:
        assert task.owner == "shopfusion"
        assert task.retries == 1
        assert timedelta(0) < task.execution_timeout <= timedelta(hours=12)
        if task.task_id not in AROUND:
            assert task.task_type == "StageOperator"  # an error of the input is not tried again


def test_assets_are_what_other_dags_wait_for(training):
    outlets = {task.task_id: [asset.name for asset in task.outlets] for task in training.tasks}
    assert {name: assets for name, assets in outlets.items() if assets} == {
        "data_preparation": ["shop_ranking_prepared_data"],
        "model_registration": ["shop_ranking_challenger"],
    }


def test_a_stage_works_in_the_workspace_of_its_dags_run(training, tmp_path, monkeypatch):
    monkeypatch.setenv("SHOPFUSION_HOME", str(tmp_path))
    stage, templates = training.get_task("evaluation"), training.get_template_env()
    workspace, called = (
        templates.from_string(text).render(dag=training, run_id="scheduled__2026-01-01")
        for text in (stage.workspace, stage.environment["SHOPFUSION_RUN_ID"])
    )
    assert called == "shop_ranking_training/scheduled__2026-01-01"
    assert Path(workspace) == folder(called)


def test_stages_that_run_side_by_side_share_the_cores():
    assert pipeline().beside("text_pretraining") == 5
    assert pipeline().beside("fusion_training") == 1
    assert threads(10_000) == 1
    assert threads(1) == usable_cores()


def test_reading_the_dag_imports_nothing_heavy():
    heavy = ("torch", "mlflow", "dvc", "pandas", "pyarrow", "boto3", "duckdb")
    script = f"import sys, training; print([n for n in {heavy} if n in sys.modules])"
    finished = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT / "dags",
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout.strip() == "[]"


def test_the_stages_of_dvc_yaml_are_those_of_the_applications():
    named = {name: stage.application for name, stage in whole().stages.items()}
    assert named == {name: owner.name for name, (owner, _) in stages().items()}


def test_every_application_has_its_dags(bag):
    jobs = ("training", "promotion", "rollback")
    assert {f"{owner.name}_{job}" for owner in APPLICATIONS for job in jobs} <= set(bag.dags)
    watched = {owner.name for owner in APPLICATIONS if owner.statistics is not None}
    suffix = "_drift_monitoring"
    assert {name.removesuffix(suffix) for name in bag.dags if name.endswith(suffix)} == watched


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        (None, "stage cooking in dvc.yaml to be one of shop_ranking; found None"),
        ({"application": "kitchen"}, "to be one of shop_ranking; found 'kitchen'"),
        ({"application": "shop_ranking", "group": "data"}, "found no hours"),
    ],
)
def test_a_stage_that_is_nobodys_is_refused_in_one_line(tmp_path, meta, message):
    stage = {"cmd": "true", **({"meta": meta} if meta else {})}
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"cooking": stage}}))
    with pytest.raises(ParamsError, match=message) as refused:
        load_pipeline(tmp_path / "dvc.yaml", ["shop_ranking"])
    assert "\n" not in str(refused.value)


def test_an_application_has_its_own_stages_alone(tmp_path):
    def stage(application: str, dep: str, out: str) -> dict[str, object]:
        meta = {"application": application, "group": "data", "hours": 1}
        return {"cmd": "true", "meta": meta, "deps": [dep], "outs": [out]}

    every = {
        "one": stage("first", "data/raw", "data/a"),
        "two": stage("second", "data/a", "data/b"),
        "three": stage("second", "data/b", "data/c"),
    }
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": every}, sort_keys=False))
    second = load_pipeline(tmp_path / "dvc.yaml", ["first", "second"]).of("second")
    assert list(second.stages) == ["two", "three"]
    assert second.edges == {("two", "three")}
    assert second.groups == {"data": ["two", "three"]}
