"""Row 2: an epoch of training and a full ranking, side by side with RecTools in one run.

Seconds on a shared machine say little; the ratio of two programs that ran one after the other, in
turns, says more. Ours has 1,024 shared negatives where RecTools' binary cross-entropy has one.
"""

import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.quality.next_item.leave_one_out import (
    LeaveOneOut,
    order_files,
    ranks,
    read_orders,
    stem,
)
from benchmarks.quality.report import Report, seconds
from benchmarks.quality.rows import Task
from benchmarks.quality.speed.environment import rectools_python
from components.platform.errors import ServiceError
from components.platform.progress import say
from components.platform.training.loop import best_device
from components.shop_ranking.engine.towers.next_item import NextItemPlan, train_order_tower
from components.shop_ranking.engine.towers.order_tower import OrderTower, OrderTowerConfig

ENVIRONMENT = Path(".state/benchmarks/rectools")
SETTINGS = {"dim": 64, "layers": 2, "heads": 2, "longest": 50, "batch": 128, "threads": 2}
NEGATIVES, TURNS = 1024, 3
BCE = {"loss": "BCE", "negatives": 1, "share": 1.0}
# Minutes an epoch on two cores: so many of its batches are passed, and the seconds scaled up.
SOFTMAX = {"loss": "sampled_softmax", "negatives": 256, "share": 0.05}


def run(task: Task) -> Report:
    """Measure in turns: RecTools' epoch, ours, RecTools', ..."""
    before = torch.get_num_threads()
    torch.set_num_threads(SETTINGS["threads"])
    try:
        return _measured(task)
    finally:  # another number of threads sums in another order: a tower trained next would differ
        torch.set_num_threads(before)


def _measured(task: Task) -> Report:
    data = read_orders(task.data, task.sample, task.seed)
    python = rectools_python(ENVIRONMENT.absolute())
    turns = TURNS if task.sample >= 1 else 1
    theirs, ours, ranking, versions = [], [], [], ""
    for turn in range(turns):
        spent, versions = _rectools(python, data, BCE)
        theirs.append(spent)
        epoch, tower = _ours(data, task.seed)
        ours.append(epoch)
        started = time.perf_counter()
        ranks(tower.score, data.known, data.test_target, data.known.counts)
        ranking.append(time.perf_counter() - started)
        say(f"turn {turn + 1}: RecTools {theirs[-1]:.1f} s, ours {ours[-1]:.1f} s an epoch")
    softmax, _ = _rectools(python, data, SOFTMAX)
    (file,) = order_files(task.data)
    report = Report(f"2. Training speed beside RecTools' SASRec, {stem(file)}")
    table = report.table(
        f"{SETTINGS['dim']} wide, {SETTINGS['layers']} blocks, {SETTINGS['heads']} heads, length "
        f"{SETTINGS['longest']}, batch {SETTINGS['batch']}, {SETTINGS['threads']} threads",
        "training", "s an epoch (median)", "shoppers/s", "share of RecTools",
    )  # fmt: skip
    shoppers = len(data.train)
    median = float(np.median(theirs))
    for name, spent in {
        "RecTools, binary cross-entropy, 1 negative": theirs,
        f"order tower, sampled softmax, {NEGATIVES:,} shared negatives": ours,
    }.items():
        own = float(np.median(spent))
        ratio = float(np.median(np.array(spent) / np.array(theirs)))
        table.add(name, seconds(own), f"{shoppers / own:,.0f}", f"{ratio:.2f}")
    table.add(
        f"RecTools, sampled softmax, {SOFTMAX['negatives']} negatives (extrapolated from "
        f"{SOFTMAX['share']:.0%} of its batches)",
        seconds(softmax), f"{shoppers / softmax:,.0f}", f"{softmax / median:.2f}",
    )  # fmt: skip
    report.notes.append(
        f"Full ranking of {len(data.known):,} shoppers, ours: {np.median(ranking):.1f} s. "
        f"{turns} turns, one program after the other; RecTools' first epoch is not counted, of "
        f"ours neither. RecTools' median {median:.1f} s."
    )
    report.notes.append(f"Both on {best_device()}; the other environment: {versions}.")
    return report


def _ours(data: LeaveOneOut, seed: int) -> tuple[float, OrderTower]:
    """Return the seconds of the second epoch, and the tower."""
    config = OrderTowerConfig(
        dim=SETTINGS["dim"], width=SETTINGS["dim"], layers=SETTINGS["layers"],
        heads=SETTINGS["heads"], longest=SETTINGS["longest"], feed=1,  # as SASRec's is
    )  # fmt: skip
    tower = OrderTower(config, data.train.counts)
    places = SETTINGS["batch"] * data.train.length.mean()
    plan = NextItemPlan(epochs=2, batch_places=int(places), negatives=NEGATIVES)
    ends: list[float] = []

    def stop_clock(_: int) -> None:
        if best_device().type == "cuda":
            torch.cuda.synchronize()  # steps are queued there: wait for the last one
        ends.append(time.perf_counter())

    train_order_tower(tower, data.train, plan, seed=seed, after_epoch=stop_clock)
    return ends[1] - ends[0], tower


def _rectools(python: Path, data: LeaveOneOut, training: dict[str, Any]) -> tuple[float, str]:
    """Return the seconds of an epoch on the device that ours trains on, and the versions."""
    settings = SETTINGS | training | {"device": best_device().type}
    script = Path(__file__).with_name("rectools_epoch.py")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "orders.npz")
        np.savez(file, item=data.train.item, first=data.train.first)
        done = subprocess.run(
            [str(python), str(script), str(file), json.dumps(settings)],
            capture_output=True, text=True, cwd=folder, check=False,
        )  # fmt: skip
    if done.returncode:
        raise ServiceError(
            "an epoch of RecTools", " ".join(done.stderr.split())[-300:], "see its environment"
        )
    measured = json.loads(done.stdout.strip().splitlines()[-1])
    versions = ", ".join(f"{name} {number}" for name, number in measured["versions"].items())
    return float(measured["seconds"]), versions
