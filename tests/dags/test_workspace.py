"""The run workspace: whose code, which params."""

import fcntl
import os
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from components import applications
from components.platform.errors import ParamsError, RegistryError, StorageError
from components.platform.params import Params, Section
from components.platform.settings import settings
from components.platform.tracking.connection import connect
from components.shop_ranking.application import SHOP_RANKING
from components.shop_ranking.params import load_params
from orchestration.dvc_lock import LOCK
from orchestration.runs import folder, origin, pipeline_run
from orchestration.workspace import create, prune
from tests.registries import new_registry


class Heat(Section):
    """A section of another application."""

    heat: int = 3


class Kitchen(Params):
    """The params of another application."""

    kitchen: Heat = Heat()


ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch) -> Path:
    """A folder of state of its own, and an empty MLflow."""
    monkeypatch.setenv("SHOPFUSION_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("SHOPFUSION_MLFLOW_URI", new_registry(tmp_path))
    settings.cache_clear()
    yield tmp_path / "state"
    settings.cache_clear()


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A small git repository with this repository's params."""
    source = tmp_path / "checkout"
    (source / "components" / "models").mkdir(parents=True)
    (source / ".dvc").mkdir()
    (source / "mlflow").mkdir()
    (source / "components" / "models" / "code.py").write_text("committed = True\n")
    (source / ".gitignore").write_text("/data/\n/models/\n")
    for name in ("params.yaml", "dvc.yaml", ".dvc/config", "mlflow/registry.yaml"):
        (source / name).write_text((ROOT / name).read_text())
    git(source, "init", "--quiet")
    git(source, "add", "--all")
    git(source, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "first")
    return source


def git(source: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", source, *arguments], check=True, capture_output=True, text=True
    ).stdout


def test_a_clean_checkout_is_tagged_with_its_revision(checkout):
    create(SHOP_RANKING, checkout, "one", {})
    assert origin("one").git_revision == git(checkout, "rev-parse", "HEAD").strip()


def test_uncommitted_edits_and_new_files_are_copied_and_tagged(checkout):
    (checkout / "components" / "models" / "code.py").write_text("committed = False\n")
    (checkout / "components" / "fresh.py").write_text("new = True\n")
    made = create(SHOP_RANKING, checkout, "one", {})
    assert (made / "components" / "models" / "code.py").read_text() == "committed = False\n"
    assert (made / "components" / "fresh.py").exists()
    assert origin("one").git_revision.endswith("-dirty")


def test_what_git_ignores_stays_behind(checkout):
    (checkout / "data").mkdir()
    (checkout / "data" / "big.bin").write_bytes(b"0" * 1000)
    assert not (create(SHOP_RANKING, checkout, "one", {}) / "data").exists()


def test_without_git_the_code_is_copied_and_outputs_are_not(checkout):
    shutil.rmtree(checkout / ".git")
    (checkout / "models").mkdir()
    (checkout / "models" / "weights.bin").write_bytes(b"0")
    made = create(SHOP_RANKING, checkout, "one", {})
    assert (made / "components" / "models" / "code.py").exists()
    assert not (made / "models").exists()
    assert origin("one").git_revision == "none"


def test_overrides_land_in_params_yaml_and_everything_else_is_written_in_full(checkout):
    chosen = {"seed": 7, "data.dataset": "simulated-shop", "preparation.as_of": "2017-10-05"}
    made = create(SHOP_RANKING, checkout, "one", chosen)
    params, default = load_params(made / "params.yaml"), load_params(checkout / "params.yaml")
    assert (params.seed, params.data.dataset) == (7, "simulated-shop")
    assert str(params.preparation.as_of) == "2017-10-05"
    assert params.text == default.text
    assert set(yaml.safe_load((made / "params.yaml").read_text())) == set(params.model_dump())
    assert origin("one").overrides == chosen


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ({"behaviour.epochs": 0}, "valid behaviour.epochs .* found 0 .*greater than or equal"),
        ({"behaviour.epoch": 3}, "valid behaviour.epoch .*Extra inputs are not permitted"),
        ({"colour": "red"}, "valid colour "),
        ({"preparation.as_of": "soon"}, "valid preparation.as_of"),
        ({"seed.more": 1}, "valid seed"),
    ],
)
def test_a_wrong_override_is_refused_in_one_line(checkout, override, message):
    with pytest.raises(ParamsError, match=message) as refused:
        create(SHOP_RANKING, checkout, "one", override)
    assert "\n" not in str(refused.value)


def test_a_relative_data_path_means_the_checkout(checkout):
    made = create(
        SHOP_RANKING, checkout, "one", {"data.dataset": "tables", "data.path": "my/tables"}
    )
    assert load_params(made / "params.yaml").data.path == str(checkout / "my" / "tables")


def test_a_tower_cannot_be_taken_over_without_a_champion(checkout):
    with pytest.raises(RegistryError, match="to take over text, image from; found no champion"):
        create(SHOP_RANKING, checkout, "one", {"retrain": ["behaviour"]})


def test_made_again_it_keeps_outputs_and_takes_new_code(checkout):
    made = create(SHOP_RANKING, checkout, "one", {})
    (made / ".checkpoints").mkdir()
    (made / ".checkpoints" / "last.pt").write_text("step 10")
    (checkout / "components" / "models" / "code.py").write_text("fixed = True\n")
    create(SHOP_RANKING, checkout, "one", {})
    assert (made / ".checkpoints" / "last.pt").read_text() == "step 10"
    assert (made / "components" / "models" / "code.py").read_text() == "fixed = True\n"


def old_runs(checkout: Path, *runs: str) -> list[Path]:
    """Make workspaces of runs that were last written days ago, each an hour after the one before.

    The folders' own times run the other way.
    """
    workspaces = [create(SHOP_RANKING, checkout, run, {}) for run in runs]
    for number, workspace in enumerate(workspaces):
        hours = 100 - number
        for path in (workspace, *workspace.rglob("*")):
            os.utime(path, (time.time() - 3600 * hours,) * 2, follow_symlinks=False)
        os.utime(workspace, (time.time() - 3600 * (200 - hours),) * 2)
    return workspaces


def left(state: Path) -> list[str]:
    return sorted(path.name for path in (state / "runs").iterdir())


def test_the_workspaces_written_last_are_kept(checkout, state):
    old_runs(checkout, "sewing/a", "sewing/b", "sewing/c", "sewing/d")
    assert prune(2, "sewing/a") == ["sewing_c", "sewing_b"]
    assert left(state) == ["sewing_a", "sewing_d"]


def test_each_dag_prunes_its_own_runs(checkout, state):
    """Trainings of two applications run at the same time."""
    old_runs(checkout, "sewing/a", "sewing_more/b", "sewing/c", "cooking/d")
    assert prune(1, "cooking/d") == []
    assert prune(1, "sewing/c") == ["sewing_a"]
    assert left(state) == ["cooking_d", "sewing_c", "sewing_more_b"]


def test_a_workspace_in_which_a_stage_may_be_at_work_is_kept(checkout, state):
    locked, writing, _, _ = old_runs(checkout, "sewing/a", "sewing/b", "sewing/c", "sewing/d")
    checkpoint = writing / "models" / "behaviour" / "last.pt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_text("step 10")
    for path in (writing, writing / "models", checkpoint.parent):
        os.utime(path, (0, 0))
    lock = locked / LOCK
    lock.parent.mkdir(parents=True)
    lock.touch()
    for path in (lock, lock.parent, lock.parent.parent):
        os.utime(path, (0, 0))
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert prune(1, "sewing/d") == ["sewing_c"]
    assert left(state) == ["sewing_a", "sewing_b", "sewing_d"]
    assert prune(1, "sewing/d") == ["sewing_a"]


def test_the_champions_workspace_is_kept_however_old(checkout, state):
    old_runs(checkout, "sewing/a", "sewing/b", "sewing/c", "sewing/d")
    connect()
    client = MlflowClient()
    client.create_registered_model("fused-ranker")
    for run_id in ("a", "b"):
        tags = {"pipeline_run": f"sewing/{run_id}"}
        version = client.create_model_version("fused-ranker", str(state), tags=tags)
        alias = {"a": "previous", "b": "champion"}[run_id]
        client.set_registered_model_alias("fused-ranker", alias, version.version)
    assert prune(1, "sewing/d") == ["sewing_c"]
    assert left(state) == ["sewing_a", "sewing_b", "sewing_d"]


def test_a_pruned_workspace_says_what_to_clear():
    with pytest.raises(StorageError, match="clear the run's task `workspace` too"):
        origin("gone")


def test_what_a_run_is_called_is_a_file_name():
    assert folder(pipeline_run("training", "manual__2026-01-01T00:00:00+00:00/x")).name == (
        "training_manual__2026-01-01T00_00_00_00_00_x"
    )


def test_runs_of_two_dags_with_one_id_do_not_share_a_workspace(checkout):
    """Scheduled runs are called by their date, whatever their DAG."""
    runs = [pipeline_run(dag, "scheduled__2026-01-01") for dag in ("cooking", "sewing")]
    made = [create(SHOP_RANKING, checkout, run, {"seed": n}) for n, run in enumerate(runs)]
    seeds = [yaml.safe_load((folder / "params.yaml").read_text())["seed"] for folder in made]
    assert seeds == [0, 1]


def test_a_param_of_another_application_is_refused_and_its_section_stays(checkout):
    params = checkout / "params.yaml"
    params.write_text(params.read_text() + "kitchen: {heat: 3}\n")
    known = replace(SHOP_RANKING, name="kitchen", params=Kitchen)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(applications, "APPLICATIONS", (SHOP_RANKING, known))
        made = create(SHOP_RANKING, checkout, "one", {"seed": 7})
        with pytest.raises(ParamsError, match=r"params of shop_ranking; found kitchen\.heat"):
            create(SHOP_RANKING, checkout, "two", {"kitchen.heat": 5})
    written = yaml.safe_load((made / "params.yaml").read_text())
    assert written["kitchen"] == {"heat": 3}
    assert written["seed"] == 7
