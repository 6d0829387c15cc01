"""Row 1: the next item of leave-one-out histories, four conventions side by side.

History is kept in the ranking or removed from it, and statistics and training pairs come from
train alone or from train + validation when test is ranked. Published figures seldom say which.
"""

import time
from dataclasses import dataclass, replace

import psutil

from benchmarks.quality.next_item.fused import Fused
from benchmarks.quality.next_item.leave_one_out import (
    LeaveOneOut,
    Ranks,
    Score,
    order_files,
    ranks,
    read_orders,
    stem,
)
from benchmarks.quality.next_item.methods import (
    DECAYS,
    Als,
    Ease,
    ItemKnn,
    LastItem,
    Method,
    SequenceKnn,
    too_large,
)
from benchmarks.quality.next_item.tower import SHRINKS, Tower
from benchmarks.quality.report import Report, with_interval
from benchmarks.quality.report import seconds as in_seconds
from benchmarks.quality.rows import Task
from components.platform.progress import say

VIEWS = ("kept", "removed")
PARTS = ("train", "train + validation")


@dataclass
class Fitted:
    """A method fitted on both parts, with what it took."""

    name: str
    score: dict[str, Score]
    chosen: str
    seconds: float


def run(task: Task) -> Report:
    """Measure every method, then the fusion of the sequence-aware ones."""
    data = read_orders(task.data, task.sample, task.seed)
    knn = SequenceKnn()
    fitted = {knn.name: _fit(knn, data, task.seed)}
    tower = Tower(transitions=knn.config)
    fitted[tower.name] = _fit(tower, data, task.seed)
    bare = Tower(
        name="behaviour tower, own items not weighed", transitions=knn.config,
        config=replace(tower.config, repeats=False), rates=(tower.plan.lr,),
    )  # fmt: skip
    methods: list[Method] = [bare, LastItem(), ItemKnn(), Als()]
    without = too_large(data.whole.items, psutil.virtual_memory().available)
    if without is None:
        methods.append(Ease())
    fitted |= {method.name: _fit(method, data, task.seed) for method in methods}
    few = [tower.name, knn.name, "Markov chain"]
    for name, parts in {
        "fused: tower, sequence-kNN, Markov": few,
        "fused: all signals": [name for name in fitted if name != bare.name],
    }.items():
        fitted[name] = _fuse(name, [fitted[part] for part in parts], data, task.seed)
    report = _report(data, fitted, task)
    report.notes += [f"Grids: {_grids(knn, tower)}.", *([without] if without else [])]
    return report


def _grids(knn: SequenceKnn, tower: Tower) -> str:
    """Say among what validation chose; of sequence-kNN one value after another, twice."""
    options = {f"{knn.name} {name}": values for name, values in knn.grid.items()}
    options |= {f"{tower.name} start's shrink": SHRINKS, f"{tower.name} rate": tower.rates}
    options |= {"ItemKNN neighbours": ItemKnn().grid, "EASE l2": Ease().grid}
    options["EASE history_decay"] = DECAYS
    said = [
        f"{name} {', '.join(f'{value:g}' for value in values)}" for name, values in options.items()
    ]
    als = " or ".join("/".join(f"{value:g}" for value in option) for option in Als().grid)
    return "; ".join([*said, f"ALS factors/regularization/alpha {als}"])


def _fit(method: Method, data: LeaveOneOut, seed: int) -> Fitted:
    started = time.perf_counter()
    chosen = method.choose(data, seed)
    score = {"train": method.fit(data.train), "train + validation": method.fit(data.known)}
    say(f"{method.name}: {chosen}, {time.perf_counter() - started:.0f} s")
    return Fitted(method.name, score, chosen, time.perf_counter() - started)


def _fuse(name: str, parts: list[Fitted], data: LeaveOneOut, seed: int) -> Fitted:
    started = time.perf_counter()
    fused = Fused(seed)
    fused.learn([part.score["train"] for part in parts], data)
    score = {
        part: fused.scorer(
            [scored.score[part] for scored in parts],
            (data.train if part == "train" else data.known).counts,
        )
        for part in PARTS
    }
    chosen = f"{fused.stacking.trees} trees"
    return Fitted(name, score, chosen, time.perf_counter() - started)


def _report(data: LeaveOneOut, fitted: dict[str, Fitted], task: Task) -> Report:
    """Read test once, for every method and convention."""
    report, seed = Report(f"1. {_title(data, task)}"), task.seed
    columns = [f"{part}, history {view}" for view in VIEWS for part in PARTS]
    ndcg = report.table("NDCG@10", "method", *columns)
    recall = report.table("Recall@10", "method", *columns)
    cost = report.table("Choices and time", "method", "chosen on validation", "fit s", "rank s")
    for method in fitted.values():
        started = time.perf_counter()
        ranks = {part: _ranks(method.score[part], data, part) for part in PARTS}
        ranked = time.perf_counter() - started
        cells = [(ranks[part], view) for view in VIEWS for part in PARTS]
        ndcg.add(method.name, *(with_interval(ranked.ndcg(view), seed) for ranked, view in cells))
        recall.add(
            method.name, *(with_interval(ranked.recall(view), seed) for ranked, view in cells)
        )
        cost.add(method.name, method.chosen, in_seconds(method.seconds), in_seconds(ranked / 2))
        say(f"{method.name}: {ndcg.rows[-1][1:]}")
    report.notes += [
        "Removed: items of the history leave the ranking. Train + validation: counts and training "
        "pairs include each shopper's validation item when test is ranked; the history that is "
        "asked with always does.",
        "The tower learns a weight for own items; where nobody buys twice it ranks them last, so "
        "that kept and removed agree. The line 'own items not weighed' is its dot product trained "
        "without that weight, at the tower's rate.",
        "The fusion learns on validation items, from fits on train; its trees are counted on "
        "held-out shoppers.",
    ]
    return report


def _title(data: LeaveOneOut, task: Task) -> str:
    (file,) = order_files(task.data)
    return (
        f"Next item, {stem(file)}: {len(data.whole):,} shoppers, {data.whole.items:,} items, "
        f"{len(data.whole.item):,} purchases, full ranking"
    )


def _ranks(score: Score, data: LeaveOneOut, part: str) -> Ranks:
    counts = (data.train if part == "train" else data.known).counts
    return ranks(score, data.known, data.test_target, counts)
