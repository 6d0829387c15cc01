"""`python -m components <stage>` in a run folder, and disks that are full."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from components.shop_ranking.application import STAGES
from components.shop_ranking.params import Params

LIMITED = """
import resource, runpy, sys
size = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
runpy.run_module("components", run_name="__main__")
"""


def lay_out(folder: Path, stage: str, inputs: Mapping[str, Path]) -> None:
    """Put a stage's inputs, by their names in the application's STAGES, where it looks for them."""
    for name, source in inputs.items():
        place = folder / STAGES[stage].paths[name]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(source)


def run_stage(
    folder: Path, stage: str, params: dict[str, Any], bytes_a_file: int | None = None
) -> str:
    """Run a stage by its command on the values of params.yaml; returns its standard error.

    No file may grow beyond `bytes_a_file`; MLflow is then one of small files, so that it is the
    stage's own outputs that are refused.
    """
    folder.mkdir(exist_ok=True)
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    environment = dict(os.environ)
    if bytes_a_file:
        tracked = {"SHOPFUSION_MLFLOW_URI": f"file:{folder / '.mlflow'}"}
        environment |= tracked | {"MLFLOW_ALLOW_FILE_STORE": "true"}
    started = ["-c", LIMITED, str(bytes_a_file)] if bytes_a_file else ["-m", "components"]
    done = subprocess.run(
        [sys.executable, *started, stage],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    errors = [line for line in done.stderr.splitlines() if " INFO mlflow." not in line]
    assert (done.returncode == 0) == (not errors), f"{done.returncode}: {done.stderr}"
    return "".join(f"{line}\n" for line in errors)


def refused(folder: Path, stage: str, params: Params, bytes_a_file: int) -> str:
    """Run a stage on a full disk; returns the error.

    Asserts that it is one line that says what to do, and that every output is as it was.
    """
    before = outputs(folder)
    error = run_stage(folder, stage, params.model_dump(mode="json"), bytes_a_file)
    assert error.count("\n") == 1, error
    assert error.startswith(f"{stage}: expected to write ")
    assert "found File too large; free disk space" in error
    assert outputs(folder) == before
    return error


def outputs(folder: Path) -> dict[Path, bytes]:
    """Return every file below the folders that stages write to, whole or half-written."""
    return {
        path: path.read_bytes()
        for top in ("data", "models", "reports", ".checkpoints")
        for path in sorted((folder / top).rglob("*"))
        if path.is_file()
    }


@contextmanager
def full_disk(bytes_a_file: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_a_file, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
