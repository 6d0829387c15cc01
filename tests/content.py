"""Shared by the tests of the text and the image tower: a run folder, and what a tower found."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from components.params import Params
from components.settings import settings
from tests.world import TinyWorld


def enter(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Work in a folder of its own, with MLflow in a file there."""
    patch.chdir(folder)
    patch.setenv("SHOPFUSION_MLFLOW_URI", f"sqlite:///{folder / 'mlflow.db'}")
    settings.cache_clear()


def run_in(folder: Path, stage: Callable[..., None], params: Params, prepared: Path) -> Path:
    """Run a stage; returns the tower's folder, and MLflow's and the checkpoints' lie beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        enter(folder, patch)
        stage(params, prepared=prepared, tower=folder / "tower")
    settings.cache_clear()
    return folder / "tower"


KILLED = """
from components.training.checkpoints import Checkpoints
Checkpoints.due = lambda self: True
from components.params import load_params
from components.pipeline import run_stage
run_stage("{stage}", load_params())
"""


def killed_and_resumed(stage: str, params: Params, prepared: Path, folder: Path) -> Path:
    """Kill a stage with signal 9 at its encoder's first snapshot, run it again; returns its output.

    Asserts that the kill left nothing half-written and that the second run went on from there.
    """
    name = stage.removesuffix("_pretraining")
    with pytest.MonkeyPatch.context() as patch:
        enter(folder, patch)
        (folder / "data").mkdir()
        (folder / "data" / "prepared").symlink_to(prepared)
        (folder / "params.yaml").write_text(yaml.safe_dump(params.model_dump(mode="json")))
        snapshot = folder / ".checkpoints" / stage / "encoder.pt"
        command = [sys.executable, "-c", KILLED.format(stage=stage)]
        first = subprocess.Popen(command, env=os.environ.copy())
        while not snapshot.exists() and first.poll() is None:
            time.sleep(0.01)
        first.send_signal(signal.SIGKILL)
        assert first.wait() == -signal.SIGKILL
        assert not (folder / "models" / name).exists()
        second = subprocess.run(
            [sys.executable, "-m", "components", stage], capture_output=True, text=True, check=True
        )
    assert "encoder: resumed at step" in second.stdout
    assert not snapshot.exists()
    return folder / "models" / name


def altered(world: TinyWorld, folder: Path, **columns: list[object]) -> Path:
    """Copy prepared data, with other columns in items.parquet."""
    shutil.copytree(world.prepared, folder)
    table = pq.read_table(folder / "items.parquet")
    for name, values in columns.items():
        at = table.schema.get_field_index(name)
        field = table.schema.field(name)
        table = table.set_column(at, field, pa.array(values, field.type))
    pq.write_table(table, folder / "items.parquet")
    return folder


def found(tower: Path, world: TinyWorld) -> dict[str, float]:
    """Correlate a tower's scores with each part of the truth, a shopper at a time; the means.

    Over items the shopper never dealt with: those they did were chosen for all parts at once.
    """
    users, items = (np.load(tower / "test" / f"{kind}_vectors.npy") for kind in ("user", "item"))
    sequences = pq.read_table(world.prepared / "cuts" / "test" / "sequences.parquet")
    history = sequences["item_index"].combine_chunks()
    shopper = np.repeat(sequences["user_index"].to_numpy(), history.value_lengths().to_numpy())
    compared = ~np.isnan(users).any(axis=1)[:, None] & ~np.isnan(items).any(axis=1)[None, :]
    compared[shopper, history.flatten().to_numpy()] = False
    rows = compared.any(axis=1)
    cut = json.loads((world.prepared / "cuts.json").read_text())[-1]
    scores = _standardised((users @ items.T)[rows], compared[rows])
    return {
        name: float(np.nanmean(scores * _standardised(part[rows], compared[rows])))
        for name, part in world.true_parts(cut["day"]).items()
    }


def _standardised(values: np.ndarray, compared: np.ndarray) -> np.ndarray:
    """Give each row mean zero and deviation one over what is compared; NaN elsewhere."""
    kept = np.where(compared, values, np.nan)
    centred = kept - np.nanmean(kept, axis=1, keepdims=True)
    return np.asarray(centred / np.maximum(np.nanstd(kept, axis=1, keepdims=True), 1e-9))
