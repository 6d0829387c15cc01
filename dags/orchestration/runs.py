"""Where a run works, and where its code and params came from; light, for templates of tasks."""

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

    run_id: str
    git_revision: str  # 40 hex digits, "-dirty" behind them with uncommitted edits; or "none"
    overrides: dict[str, Any]


def state() -> Path:
    """Return the folder of all state."""
    return Path(os.environ["SHOPFUSION_HOME"])


def folder(run_id: str) -> Path:
    """Return the workspace of a run, also before it exists."""
    return state() / "runs" / re.sub(r"[^A-Za-z0-9._-]", "_", run_id)


def origin(run_id: str) -> Origin:
    """Read where a run's code and params came from.

    Raises:
        StorageError: the workspace is gone.

    """
    try:
        return Origin(**json.loads((folder(run_id) / ORIGIN).read_text()))
    except FileNotFoundError as error:
        raise StorageError(
            f"the workspace of run {run_id}", "none", "clear the run's task `workspace` too"
        ) from error
