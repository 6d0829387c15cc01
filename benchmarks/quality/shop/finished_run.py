"""Rows 3, 8 and 10 read a finished run of the main job: this trains one from the raw data."""

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.quality.report import Report
from benchmarks.quality.rows import Task
from components import pipeline
from components.errors import DataError, ModelError
from components.params import load_params

LAST = "fusion_training"  # the stages up to it; rows measure for themselves


def there() -> bool:
    """Tell whether this folder holds a finished run."""
    return (pipeline.FUSED / "chosen.json").exists()


def run(task: Task) -> Report:
    """Bring the stages of dvc.yaml up to date, one after another, in this folder.

    Raises:
        DataError: the folder has no dvc.yaml.
        ModelError: a stage failed; its own words stand above.

    """
    if not Path("dvc.yaml").is_file():
        raise DataError("dvc.yaml in this folder", "none", "start in the repository or a run's")
    # Stages are called as `python -m components`: by this environment's python.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, "-m", "dvc", "repro", LAST]
    done = subprocess.run(command, env=os.environ | {"PATH": path}, check=False)
    if done.returncode:
        raise ModelError(f"dvc repro {LAST} to succeed", f"exit {done.returncode}", "see above")
    params = load_params()
    return Report(
        f"The main job's run: {params.data.dataset}, seed {params.seed}",
        notes=["Raw data to fusion, stage after stage; rows 3, 8 and 10 read what it left."],
    )
