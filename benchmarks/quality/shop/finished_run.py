"""Rows 3, 8 and 10 read a finished run of the main job: this trains one from the raw data."""

import os
import re
import subprocess
import sys
from pathlib import Path

from benchmarks.quality.report import Report
from benchmarks.quality.rows import Task
from components.platform.errors import DataError, ModelError, ParamsError
from components.platform.progress import say
from components.shop_ranking.params import load_params

LAST = "fusion_training"  # the stages up to it; rows measure for themselves
RUNNING = re.compile(r"Running stage '(\w+)'")  # said by DVC; a stage that is cached is not run


def seed_of(seed: int | None, data: Path | None) -> int:
    """Return the run's seed. It is read from params.yaml, as its data is: these choose neither.

    Args:
        seed: what was asked for, None where nothing was.
        data: likewise.

    Raises:
        ParamsError: another seed than that of params.yaml, or data, was asked for.

    """
    params = load_params()
    if seed is not None and seed != params.seed:
        remedy = "set seed in params.yaml, or leave --seed out"
        raise ParamsError(f"seed {params.seed} of params.yaml", f"--seed {seed}", remedy)
    if data is not None:
        expected = f"the data of params.yaml ({params.data.dataset}) alone"
        remedy = "set data.dataset and data.path in params.yaml, and leave --data out"
        raise ParamsError(expected, f"--data {data}", remedy)
    return params.seed


def run(task: Task) -> Report:
    """Bring the stages of dvc.yaml up to date, one after another, in this folder.

    What params, code and data have not changed is cached: a run that is there costs seconds.

    Raises:
        DataError: the folder has no dvc.yaml.
        ModelError: a stage failed; its own words stand above.

    """
    if not Path("dvc.yaml").is_file():
        raise DataError("dvc.yaml in this folder", "none", "start in the repository or a run's")
    # Stages are called as `python -m components`: by this environment's python.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ran = _repro([sys.executable, "-m", "dvc", "repro", LAST], os.environ | {"PATH": path})
    params = load_params()
    stages = "Stages that were run: " + ", ".join(ran) if ran else "Nothing had changed"
    return Report(
        f"The main job's run: {params.data.dataset}, seed {params.seed}",
        notes=[f"Raw data to fusion; rows 3, 8 and 10 read what it left. {stages}."],
        computed=bool(ran),
    )


def _repro(command: list[str], environment: dict[str, str]) -> list[str]:
    """Pass on what DVC says; return the stages that it ran."""
    ran: list[str] = []
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            say(line.rstrip())
            ran += RUNNING.findall(line)
    if process.returncode:
        ended = f"exit {process.returncode}"
        raise ModelError(f"dvc repro {LAST} to succeed", ended, "see above")
    return ran
