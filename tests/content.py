"""Shared by the tests of the text and the image tower: a run folder, and what a tower found."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mlflow
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml

from components.platform.settings import settings
from components.platform.training import meter
from components.shop_ranking.params import Params
from tests.registries import new_registry
from tests.waiting import wait_until
from tests.world import TinyWorld


def enter(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Work in a folder of its own, with MLflow in a file there."""
    patch.chdir(folder)
    patch.setenv("SHOPFUSION_MLFLOW_URI", new_registry(folder))
    settings.cache_clear()


def run_in(folder: Path, stage: Callable[..., None], params: Params, prepared: Path) -> Path:
    """Run a stage; returns the tower's folder, and MLflow's and the checkpoints' lie beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        enter(folder, patch)
        patch.setattr(meter, "SECONDS_BETWEEN_LOGS", 0.0)  # every step is a point of the curve
        stage(params, prepared=prepared, tower=folder / "tower")
    settings.cache_clear()
    return folder / "tower"


def logged(tower: Path, metric: str) -> list[float]:
    """Return what the tower's run of `run_in` logged of a metric, in order of its steps."""
    client = mlflow.MlflowClient(f"sqlite:///{tower.parent / 'mlflow.db'}")
    (run,) = client.search_runs(
        [experiment.experiment_id for experiment in client.search_experiments()]
    )
    points = client.get_metric_history(run.info.run_id, metric)
    return [point.value for point in sorted(points, key=lambda point: point.step)]


KILLED = """
import signal
from components.platform.training.checkpoints import Checkpoints
Checkpoints.due = lambda self: True
saved = Checkpoints.save
def save(self, name, state):
    saved(self, name, state)
    if name == "{training}" and state["progress"]["step"] == {step}:
        print("waiting", flush=True)
        signal.pause()
Checkpoints.save = save
from components.shop_ranking.params import load_params
from components.shop_ranking.application import STAGES
STAGES["{stage}"].run(load_params())
"""


def killed_and_resumed(
    stage: str,
    params: Params,
    prepared: Path,
    folder: Path,
    *,
    training: str = "encoder",
    step: int | None = None,
) -> Path:
    """Kill a stage with signal 9 in one of its trainings, run it again; returns its output.

    At a step's checkpoint, or wherever it is when the first one is there. Asserts that the kill
    left nothing half-written and that the second run went on from there.
    """
    name = stage.removesuffix("_pretraining")
    with pytest.MonkeyPatch.context() as patch:
        enter(folder, patch)
        (folder / "data").mkdir()
        (folder / "data" / "prepared").symlink_to(prepared)
        (folder / "params.yaml").write_text(yaml.safe_dump(params.model_dump(mode="json")))
        checkpoint = folder / ".checkpoints" / stage / f"{training}.pt"
        script = KILLED.format(stage=stage, training=training, step=step)
        said = folder / "first.log"
        with said.open("w") as stream:
            first = subprocess.Popen(
                [sys.executable, "-c", script], env=os.environ.copy(), stdout=stream
            )
        wait_until(
            lambda: checkpoint.exists() and (step is None or "waiting" in said.read_text()),
            lambda: f"a checkpoint of {training}: {said.read_text()}",
            seconds=300,
            unless=lambda: first.poll() is not None,
        )
        first.send_signal(signal.SIGKILL)
        assert first.wait() == -signal.SIGKILL
        assert not (folder / "models" / name).exists()
        second = subprocess.run(
            [sys.executable, "-m", "components", stage], capture_output=True, text=True, check=True
        )
    assert f"{training}: resumed at step {step or ''}" in second.stdout
    assert not checkpoint.exists()
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


def with_another_future(world: TinyWorld, folder: Path) -> Path:
    """Copy prepared data in which, after the first cut, every event and target is of another item.

    The catalogue stays: it is that of the whole run, and what a cut knows of it is in item_stats.
    """
    shutil.copytree(world.prepared, folder)
    last = pq.read_metadata(folder / "items.parquet").num_rows - 1
    first, *later = json.loads((folder / "cuts.json").read_text())
    tables = [folder / "cuts" / first["name"] / "targets.parquet"]
    for cut in later:
        tables += sorted((folder / "cuts" / cut["name"]).glob("*.parquet"))
    for path in tables:
        table = pq.read_table(path)
        if "item_index" in table.column_names:
            at = table.column_names.index("item_index")
            column = table["item_index"].combine_chunks()
            values = column.values if pa.types.is_list(column.type) else column
            others = pc.subtract(pa.scalar(last, values.type), values)
            if pa.types.is_list(column.type):
                others = pa.ListArray.from_arrays(column.offsets, others)
            table = table.set_column(at, table.schema.field(at), others.cast(column.type))
        pq.write_table(table, path)
    return folder


def correlations(tower: Path, world: TinyWorld) -> dict[str, float]:
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
