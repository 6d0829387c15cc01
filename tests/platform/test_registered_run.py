"""A run's params and tables come from MLflow and S3; its workspace may be gone."""

import os
from pathlib import Path

import pytest

from components.platform import storage
from components.platform.errors import AbsentError, StorageError
from components.platform.registered_run import KEPT, PREFIX, READING, fetch_run
from components.platform.settings import settings
from components.platform.tracking import Version
from tests.published import publish

pytestmark = [pytest.mark.xdist_group("store"), pytest.mark.usefixtures("bucket", "own_mlflow")]
TABLES = {name: f"rows of {name}".encode() for name in ("orders", "products")}


def published(run: str, folder: Path, **tables: bytes) -> Version:
    return publish(run, folder / run, f"name: {run}\n", TABLES | tables)


def test_a_run_is_read_without_its_workspace_and_equal_tables_are_stored_once(
    tmp_path, monkeypatch
):
    first, second = (published(run, tmp_path) for run in ("first", "second"))
    assert len(storage.stored(PREFIX)) == 2
    for version in (first, second):
        fetched = fetch_run(version)
        assert fetched.params.read_text() == f"name: {version.tags['pipeline_run']}\n"
        assert (fetched.tables / "orders").read_text() == "rows of orders"
    for table in storage.stored(PREFIX):
        storage.put(b"other rows", table.key)
    assert (fetch_run(first).tables / "products").exists()  # it is kept
    monkeypatch.setenv("SHOPFUSION_HOME", str(tmp_path / "elsewhere"))
    settings.cache_clear()
    with pytest.raises(StorageError, match="clear the task `publish`"):
        fetch_run(first)


def test_runs_that_nobody_asks_for_any_more_are_removed_with_a_line(tmp_path, capsys):
    versions = [published(run, tmp_path, orders=run.encode()) for run in ("a", "b", "c")]
    fetched = [fetch_run(version) for version in versions]
    assert all(run.tables.exists() for run in fetched)  # somebody may be reading them
    for age, run in enumerate(reversed(fetched)):
        for folder in (run.tables, run.params.parent):
            then = folder.stat().st_mtime - READING - 60 * (1 + age)
            os.utime(folder, (then, then))
    assert capsys.readouterr().out == ""
    assert fetch_run(versions[0]).tables == fetched[0].tables  # the oldest is the one in use
    kept = [run for run in fetched if run.tables.exists()]
    assert kept == [fetched[0], fetched[2]]
    assert len(kept) == KEPT
    assert f"removed of earlier runs, from {fetched[1].tables.parent}: " in capsys.readouterr().out
    assert not fetched[1].params.exists()
    assert (fetch_run(versions[1]).tables / "orders").read_text() == "b"  # from S3 again


def test_a_run_that_was_not_published_says_what_to_do():
    with pytest.raises(AbsentError, match="clear the task `publish` of the run by-hand"):
        fetch_run(Version("ranker", "1", "run", {"pipeline_run": "by-hand"}))
