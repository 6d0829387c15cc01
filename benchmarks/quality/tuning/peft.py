"""Row 6: full fine-tuning, LoRA, AdaLoRA and a frozen base with a head, side by side.

Every way's learning rate is searched on validation until the best lies between two others. Full
fine-tuning, the yardstick, is searched with whole trainings; the others with shorter ones, whose
errors count against them. Low-rank adapters want about ten times the rate of full fine-tuning
(Schulman et al., "LoRA without regret", 2025): that is where their search begins.
"""

import multiprocessing
import resource
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np

from benchmarks.quality.report import Report, seconds, short, with_interval
from benchmarks.quality.rows import Task
from benchmarks.quality.tuning.intents import (
    BATCH,
    EPOCHS,
    Classifier,
    Questions,
    accuracy,
    read_questions,
    said_of_unknown,
    tune,
)
from benchmarks.quality.tuning.rates import MOST, at_edge, best_rate, bracketed
from components.platform.errors import ModelError
from components.platform.progress import say
from components.shop_ranking.engine.towers.item_orders import Floats
from components.shop_ranking.towers.text import TextParams

LAYERS = 6  # of the base: all of them are adapted
SHORTER = 0.5  # of the questions, and one epoch: the search of all ways but the yardstick


@dataclass(frozen=True)
class Way:
    """A way of tuning and the rates that its search begins with."""

    params: TextParams
    rates: tuple[float, ...]
    whole: bool = False  # searched with whole trainings


FULL, ADALORA = "full fine-tuning", "AdaLoRA"
# Ranks keep the adapters' parameters under 2% of the base's.
WAYS = {
    FULL: Way(TextParams(adapter="none"), (1e-4, 2e-4, 4e-4), whole=True),
    "LoRA": Way(TextParams(adapter="lora", rank=6, adapted_layers=LAYERS), (3e-3, 6e-3, 1.2e-2)),
    ADALORA: Way(
        TextParams(adapter="adalora", rank=6, adapted_layers=LAYERS), (6e-3, 1.2e-2, 2.4e-2)
    ),
    "frozen, head": Way(TextParams(adapter="frozen"), (3e-2, 1e-1, 3e-1)),
}


@dataclass(frozen=True)
class Tuned:
    """One way at its best rate, and what its process took."""

    rate: float
    validation: float
    trainable: int
    seconds: float
    right: Floats = field(default_factory=lambda: np.zeros(0))  # (N,) on test
    tried: dict[float, float] = field(default_factory=dict)  # rate -> validation, in the search
    megabytes: float = 0.0


def run(task: Task) -> Report:
    """Tune in every way, each in a process of its own, and test each at its best rate."""
    epochs = EPOCHS if task.sample >= 1 else 1
    by_method: dict[str, Tuned] = {}
    for name in WAYS:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
            by_method[name] = process.submit(tuned, name, task, epochs).result()
    parts = read_questions(task.data / "banking77", task.sample, task.seed)
    train = parts["train"]
    report = Report(
        f"6. Parameter-efficient tuning: {len(train.texts):,} questions, "
        f"{train.intents} intents, {epochs} epochs"
    )
    table = report.table(
        "Accuracy on test", "way", "accuracy", "of full", "trained parameters", "of full",
        "rate", "s a training", "peak MB",
    )  # fmt: skip
    full = by_method[FULL]
    for name, outcome in by_method.items():
        table.add(
            name, with_interval(outcome.right, task.seed, 3),
            short(outcome.right.mean() / full.right.mean(), 3), f"{outcome.trainable:,}",
            f"{outcome.trainable / full.trainable:.1%}", f"{outcome.rate:g}",
            seconds(outcome.seconds), f"{outcome.megabytes:,.0f}",
        )  # fmt: skip
    _searched(report, by_method)
    difference = by_method[ADALORA].right - full.right
    report.notes += [
        f"AdaLoRA less full fine-tuning, paired: {with_interval(difference, task.seed, 4)}; "
        f"within 1% of full is above {short(-0.01 * full.right.mean())}.",
        "AdaLoRA's count is its start (1.5 x the rank it ends with). The head starts at the "
        "intents' mean vectors in every way. Test is read once a way, after the choice. Memory "
        "includes the best model so far of the search.",
    ]
    report.notes += said_of_unknown(parts["test"])
    return report


def _searched(report: Report, by_method: dict[str, Tuned]) -> None:
    """Add what every rate reached on validation, and say where an edge won to the end."""
    table = report.table(
        "Accuracy on validation by rate", "way", "search", "rates tried", "chosen, whole training"
    )
    for name, outcome in by_method.items():
        length = "whole trainings" if WAYS[name].whole else "a quarter of a training"
        tried = ", ".join(f"{rate:g}: {short(value, 3)}" for rate, value in outcome.tried.items())
        table.add(name, length, tried, short(outcome.validation, 3))
    open_ended = [name for name, outcome in by_method.items() if at_edge(outcome.tried)]
    if open_ended:
        report.notes.append(f"At an edge of the rates tried: {', '.join(open_ended)}.")


def tuned(name: str, task: Task, epochs: int) -> Tuned:
    """Search one way's rate and test it there; peak memory is that of the calling process."""
    parts = read_questions(task.data / "banking77", task.sample, task.seed)
    way, whole = WAYS[name], parts["train"]
    part = whole.take(np.arange(max(int(SHORTER * len(whole.texts)), BATCH)))
    best: tuple[Tuned, Classifier] | None = None
    most = MOST if task.sample >= 1 else len(way.rates)  # a sample shows that it runs

    def reaches(rate: float, learnt: Questions, passes: int) -> float:
        """Train; the best of the whole trainings is kept."""
        nonlocal best
        model = Classifier(way.params, learnt, passes * (len(learnt.texts) // BATCH), task.seed)
        trainable = model.trainable  # AdaLoRA starts wider than it ends
        try:
            fitted = tune(model, learnt, rate, epochs=passes, seed=task.seed)
        except ModelError as error:  # too high a rate
            say(f"{name}, rate {rate:g}: {error}")
            return 0.0
        model.tower.merge()
        value = float(accuracy(model.logits(parts["validation"]), parts["validation"]).mean())
        say(f"{name}, rate {rate:g}: validation {value:.3f}, {fitted.seconds:.0f} s")
        if learnt is whole and (best is None or value > best[0].validation):
            best = Tuned(rate, value, trainable, fitted.seconds), model
        return value

    if way.whole:
        tried = bracketed(lambda rate: reaches(rate, whole, epochs), way.rates, most)
    else:
        tried = bracketed(lambda rate: reaches(rate, part, 1), way.rates, most)
        reaches(best_rate(tried), whole, epochs)
    if best is None:
        raise ModelError("a training that ends", "none", "begin the search at lower rates")
    right = accuracy(best[1].logits(parts["test"]), parts["test"])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return replace(best[0], tried=tried, right=right, megabytes=peak)
