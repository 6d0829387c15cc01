"""What a run is called, where it works, and where its code and params came from.

Light, for templates of tasks. Two DAGs may have runs of one id (scheduled ones are called by their
date), so a run is called by both wherever those of all DAGs lie together: in the folder of
workspaces, in MLflow and in the tags of versions.
"""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.platform.errors import StorageError

ORIGIN = Path(".run.json")


@dataclass(frozen=True)
class Origin:
    """Where a run's code and params came from."""

    pipeline_run: str
    git_revision: str  # 40 hex digits, "-dirty" behind them with uncommitted edits; or "none"
    overrides: dict[str, Any]


def state() -> Path:
    """Return the folder of all state."""
    return Path(os.environ["SHOPFUSION_HOME"])


def pipeline_run(dag_id: str, run_id: str) -> str:
    """Return what a run is called among the runs of all DAGs."""
    return f"{dag_id}/{run_id}"


def folder(pipeline_run: str) -> Path:
    """Return the workspace of a run, also before it exists."""
    return state() / "runs" / re.sub(r"[^A-Za-z0-9._-]", "_", pipeline_run)


def workspaces_beside(pipeline_run: str) -> list[Path]:
    """Return the workspaces of the other runs of a run's DAG."""
    dag_id = pipeline_run.partition("/")[0]
    runs = {
        path.parent: json.loads(path.read_text())["pipeline_run"]
        for path in state().glob(f"runs/*/{ORIGIN}")
    }
    return [
        workspace
        for workspace, run in runs.items()
        if run != pipeline_run and run.startswith(f"{dag_id}/")
    ]


def origin(pipeline_run: str) -> Origin:
    """Read where a run's code and params came from.

    Raises:
        StorageError: the workspace is gone.

    """
    try:
        return Origin(**json.loads((folder(pipeline_run) / ORIGIN).read_text()))
    except FileNotFoundError as error:
        raise StorageError(
            f"the workspace of the run {pipeline_run}",
            "none",
            "clear the run's task `workspace` too",
        ) from error
