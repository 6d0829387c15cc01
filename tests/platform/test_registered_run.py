"""A run's params and tables come from MLflow and S3; its workspace may be gone."""

import shutil
from pathlib import Path

import mlflow
import pytest

from components.platform import storage, tracking
from components.platform.errors import AbsentError, StorageError
from components.platform.registered_run import PREFIX, fetch_run, publish_tables
from components.platform.settings import settings
from components.platform.tracking import Version

pytestmark = pytest.mark.xdist_group("store")


@pytest.fixture
def registry(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty MLflow beside an empty bucket."""
    monkeypatch.setenv("SHOPFUSION_MLFLOW_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.chdir(tmp_path)  # artifacts of the registry
    settings.cache_clear()
    tracking.connect()


def publish(run: str, workspace: Path) -> Version:
    """Publish a run from a workspace, which is then deleted; return a version of it."""
    workspace.mkdir()
    (workspace / "params.yaml").write_text(f"name: {run}\n")
    for name in ("orders", "products"):
        (workspace / name).write_text(f"rows of {name}")
    with mlflow.start_run(tags={"stage": "pipeline", "pipeline_run": run}):
        tracking.log_artifact(workspace / "params.yaml")
        publish_tables((workspace / "orders", workspace / "products"), workspace)
    shutil.rmtree(workspace)
    return Version("ranker", "1", "run", {"pipeline_run": run})


def test_a_run_is_read_without_its_workspace_and_equal_tables_are_stored_once(registry, tmp_path):
    first, second = (publish(run, tmp_path / run) for run in ("first", "second"))
    assert len(storage.stored(PREFIX)) == 2
    for version in (first, second):
        fetched = fetch_run(version, tmp_path / "cache")
        assert fetched.params.read_text() == f"name: {version.tags['pipeline_run']}\n"
        assert (fetched.tables / "orders").read_text() == "rows of orders"
    for table in storage.stored(PREFIX):
        storage.put(b"other rows", table.key)
    assert (fetch_run(first, tmp_path / "cache").tables / "products").exists()  # it is kept
    with pytest.raises(StorageError, match="clear the task `publish`"):
        fetch_run(first, tmp_path / "elsewhere")


def test_a_run_that_was_not_published_says_what_to_do(registry, tmp_path):
    with pytest.raises(AbsentError, match="clear the task `publish` of the run by-hand"):
        fetch_run(Version("ranker", "1", "run", {"pipeline_run": "by-hand"}), tmp_path / "cache")
