"""Two real processes on the processor (gloo); with CUDA the same code takes nccl."""

import json
import os
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
import yaml

from components.platform.errors import REFUSED
from components.platform.training.checkpoints import FOLDER, seed_everything
from components.platform.training.loop import fit
from components.shop_ranking.params import Params
from tests.platform.training.together import PLAN, Line, batches
from tests.ports import free_port
from tests.registries import new_registry
from tests.running import ROOT
from tests.shop_ranking.behaviour_pretraining.chain import CUT_DAYS, chosen, events, write_chain

BEHAVIOUR = {
    "dim": 32, "width": 32, "epochs": 25, "refresh_epochs": 2, "lr": 0.02, "dropout": 0.0,
    "weight_decay": 0.0, "moment_share": 1.0, "positives": 2, "batch_sessions": 256,
}  # fmt: skip


def pair(folder: Path, *stop: str) -> list[subprocess.Popen[bytes]]:
    """Start two processes of tests.platform.training.together in a folder."""
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    shared |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.platform.training.together", "out", *stop]
    return [
        subprocess.Popen(
            command, cwd=folder,
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]  # fmt: skip


def reached(folder: Path) -> list[dict[str, object]]:
    return [json.loads((folder / f"out.{rank}").read_text()) for rank in range(2)]


@pytest.mark.long
def test_two_processes_take_the_steps_of_one_with_batches_twice_as_large(tmp_path):
    assert [process.wait(120) for process in pair(tmp_path)] == [0, 0]
    first, second = reached(tmp_path)
    assert first == second
    assert first["steps"] == 9  # three a epoch: (0, 1), (2, 3), (4, 0)
    assert first["samples"] == 9 * 2 * 16
    seed_everything(0)
    alone = Line()

    def joined(epoch: int) -> list[torch.Tensor]:
        own = batches(epoch)
        return [torch.cat([own[a], own[b]]) for a, b in ((0, 1), (2, 3), (4, 0))]

    fit(alone, torch.optim.SGD(alone.parameters()), joined, PLAN, name="alone")
    for got, expected in zip(first["weights"], alone.line.parameters(), strict=True):
        np.testing.assert_allclose(got, expected.detach().flatten(), rtol=1e-5)


@pytest.mark.long
def test_killed_together_they_go_on_together_and_end_the_same(tmp_path):
    (tmp_path / "whole").mkdir()
    assert [process.wait(120) for process in pair(tmp_path / "whole")] == [0, 0]
    first, second = pair(tmp_path, "5")
    assert first.wait(120) == -9
    second.kill()
    second.wait()
    assert (tmp_path / FOLDER / "together" / "line.pt").exists()
    assert [process.wait(120) for process in pair(tmp_path)] == [0, 0]
    assert reached(tmp_path)[0]["weights"] == reached(tmp_path / "whole")[0]["weights"]


def stage(folder: Path, behaviour: dict[str, object]) -> subprocess.CompletedProcess[str]:
    """Run behaviour_pretraining in two processes in a folder."""
    values = Params.model_validate({"behaviour": behaviour}).model_dump(mode="json")
    (folder / "params.yaml").write_text(yaml.safe_dump(values))
    more = {
        "SHOPFUSION_TRAINING_PROCESSES": "2",
        "SHOPFUSION_MLFLOW_URI": new_registry(folder),
    }
    command = [sys.executable, "-m", "components", "behaviour_pretraining"]
    return subprocess.run(
        command, cwd=folder, env=os.environ | more, capture_output=True, text=True, check=False
    )


@pytest.mark.long
def test_a_stage_in_two_processes_learns_writes_once_and_has_one_run(tmp_path):
    write_chain(tmp_path / "data/prepared", events())
    done = stage(tmp_path, BEHAVIOUR)
    assert done.returncode == 0, done.stderr
    tower = tmp_path / "models/behaviour"
    for cut, day in CUT_DAYS.items():
        users, items = (np.load(tower / cut / f"{name}_vectors.npy") for name in ("user", "item"))
        right = chosen(np.arange(len(users)), np.full(len(users), day))
        assert ((users @ items.T).argmax(1) == right).mean() > 0.9, cut
    assert [folder.name for folder in tower.parent.iterdir()] == ["behaviour"]
    assert not (tmp_path / FOLDER / "behaviour_pretraining").exists()
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    assert len(client.search_runs(experiments)) == 1
    assert done.stdout.count("validation: {") == 1


@pytest.mark.long
def test_a_stage_that_fails_in_two_processes_says_so_once(tmp_path):
    (write_chain(tmp_path / "data/prepared", events()) / "users.parquet").unlink()
    done = stage(tmp_path, BEHAVIOUR)
    assert done.returncode == REFUSED
    lines = [line for line in done.stderr.splitlines() if "behaviour_pretraining:" in line]
    assert len(lines) == 1
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "models/behaviour").exists()
