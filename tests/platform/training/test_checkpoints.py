import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

from components.platform.training.checkpoints import Checkpoints, fingerprint, seed_everything
from components.shop_ranking.towers.behaviour import BehaviourParams

DRIVER = textwrap.dedent(
    """
    import itertools, multiprocessing, os, signal, time
    from pathlib import Path
    import torch
    from torch import nn
    from components.platform.training.checkpoints import Checkpoints, seed_everything
    from components.platform.training.loop import Plan, fit

    class Noisy(nn.Module):  # dropout: the random generators matter
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(8, 16), nn.Dropout(0.5), nn.Linear(16, 1))
        def forward(self, x):
            return {"loss": (self.net(x) - x.sum(-1, keepdim=True)).square().mean()}

    def batches(epoch):
        generator = torch.Generator().manual_seed(epoch)
        return [torch.randn(4, 8, generator=generator) for _ in range(10)]

    def train(folder, pause, most):
        # Take `most` steps and wait to be killed, or go on to the end.
        os.chdir(folder)
        own = itertools.count(1)
        def after_step(step):
            time.sleep(pause)
            if next(own) == most:
                Path("paused").touch()
                signal.pause()
        seed_everything(0)
        objective = Noisy()
        optimizer = torch.optim.Adam(objective.parameters())
        fitted = fit(
            objective, optimizer, batches, Plan(epochs=12, lr=0.01), name="noisy",
            checkpoints=Checkpoints("toy", "print", every_seconds=0.05),
            after_step=after_step,
        )
        torch.save([fitted.steps, fitted.loss, objective.state_dict()], "result.pt")

    def start(folder, pause=0.0, most=None):
        process = fork.Process(target=train, args=(folder, pause, most))
        process.start()
        return process

    torch.optim.Adam([nn.Parameter(torch.zeros(1))])  # slow imports once, before the forks
    fork = multiprocessing.get_context("fork")
    start("whole").join()
    checkpoint, paused = Path("killed/.checkpoints/toy/noisy.pt"), Path("killed/paused")
    seen = None
    for kill in range(2):
        process = start("killed", 0.02, most=20)  # 0.4 s: several checkpoints, the last one older
        while not paused.exists():
            assert process.is_alive()
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert not Path("killed/result.pt").exists()
        assert checkpoint.stat().st_mtime_ns != seen
        seen = checkpoint.stat().st_mtime_ns
        paused.unlink()
    start("killed").join()
    """
)


@pytest.mark.long
def test_a_killed_training_resumes_and_ends_like_an_uninterrupted_one(tmp_path):
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    driver = subprocess.run(
        [sys.executable, "-u", "-c", DRIVER],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert driver.returncode == 0, driver.stderr
    assert driver.stdout.count("resumed at step") == 2
    steps, loss, weights = torch.load(tmp_path / "killed/result.pt")
    expected_steps, expected_loss, expected = torch.load(tmp_path / "whole/result.pt")
    assert (steps, loss) == (expected_steps, expected_loss)
    assert all(torch.equal(weights[key], expected[key]) for key in expected)


def test_random_generators_go_on_where_the_checkpoint_was_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoints = Checkpoints("toy", "a")
    seed_everything(3)
    checkpoints.save("x", {"step": 4})
    following = (torch.rand(3), np.random.rand(3))
    seed_everything(99)
    assert checkpoints.load("x")["step"] == 4
    assert torch.equal(torch.rand(3), following[0])
    np.testing.assert_array_equal(np.random.rand(3), following[1])


def test_a_checkpoint_of_another_training_or_a_broken_one_is_not_used(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Checkpoints("toy", "a").save("x", {"step": 4})
    assert Checkpoints("toy", "b").load("x") is None
    assert Checkpoints("toy", "a").load("y") is None
    whole = Path(".checkpoints/toy/x.pt").read_bytes()
    Path(".checkpoints/toy/x.pt").write_bytes(whole[: len(whole) // 2])
    assert Checkpoints("toy", "a").load("x") is None
    Checkpoints("toy", "a").remove()
    assert not Path(".checkpoints/toy").exists()


def test_fingerprint_changes_with_params_and_with_data(tmp_path):
    data = tmp_path / "a.parquet"
    data.write_bytes(b"one")
    first = fingerprint([BehaviourParams(), 0], [data])
    assert fingerprint([BehaviourParams(), 0], [data]) == first
    assert fingerprint([BehaviourParams(), 1], [data]) != first
    assert fingerprint([BehaviourParams(epochs=3), 0], [data]) != first
    data.write_bytes(b"two")
    assert fingerprint([BehaviourParams(), 0], [data]) != first
