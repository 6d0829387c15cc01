"""Row 6: full fine-tuning, LoRA, AdaLoRA and a frozen base with a head, side by side.

Each way has two learning rates to choose from on validation. Low-rank adapters want about ten
times the rate of full fine-tuning (Schulman et al., "LoRA without regret", 2025).
"""

import multiprocessing
import resource
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

from benchmarks.quality.report import Report, seconds, short, with_interval
from benchmarks.quality.rows import Task
from benchmarks.quality.tuning.intents import (
    BATCH,
    EPOCHS,
    Classifier,
    accuracy,
    read_questions,
    said_of_unknown,
    tune,
)
from components.models.item_orders import Floats
from components.params import TextParams
from components.progress import say

LAYERS = 6  # of the base: all of them are adapted
# Ranks keep the adapters' parameters under 2% of the base's.
WAYS: dict[str, tuple[TextParams, tuple[float, ...]]] = {
    "full fine-tuning": (TextParams(adapter="none"), (2e-4, 6e-4)),
    "LoRA": (TextParams(adapter="lora", rank=6, adapted_layers=LAYERS), (2e-3, 6e-3)),
    "AdaLoRA": (TextParams(adapter="adalora", rank=6, adapted_layers=LAYERS), (4e-3, 1.2e-2)),
    "frozen, head": (TextParams(adapter="frozen"), (1e-2, 3e-2)),
}


@dataclass(frozen=True)
class Tuned:
    """One way at its best rate, and what its process took."""

    rate: float
    trainable: int
    seconds: float
    validation: float
    right: Floats  # (N,) 1 where the intent is right, on test
    megabytes: float = 0.0


def run(task: Task) -> Report:
    """Tune in every way, each in a process of its own, and test each at its best rate."""
    epochs = EPOCHS if task.sample >= 1 else 1
    found: dict[str, Tuned] = {}
    for name in WAYS:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
            found[name] = process.submit(tuned, name, task, epochs).result()
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
    full = next(iter(found.values()))
    for name, one in found.items():
        table.add(
            name, with_interval(one.right, task.seed, 3),
            short(one.right.mean() / full.right.mean(), 3), f"{one.trainable:,}",
            f"{one.trainable / full.trainable:.1%}", f"{one.rate:g}", seconds(one.seconds),
            f"{one.megabytes:,.0f}",
        )  # fmt: skip
    report.notes.append(
        "AdaLoRA's count is its start (1.5 x the rank it ends with). Rates by validation; the head "
        "starts at the intents' mean vectors in every way."
    )
    report.notes += said_of_unknown(parts["test"])
    return report


def tuned(name: str, task: Task, epochs: int) -> Tuned:
    """Tune in one way at each of its rates; peak memory is that of the calling process."""
    parts = read_questions(task.data / "banking77", task.sample, task.seed)
    params, rates = WAYS[name]
    best: Tuned | None = None
    for rate in rates:
        model = Classifier(
            params, parts["train"], epochs * (len(parts["train"].texts) // BATCH), task.seed
        )
        trainable = model.trainable  # AdaLoRA starts wider than it ends
        fitted = tune(model, parts["train"], rate, epochs=epochs, seed=task.seed)
        model.tower.merge()
        reached = float(accuracy(model.logits(parts["validation"]), parts["validation"]).mean())
        say(f"{name}, rate {rate:g}: validation {reached:.3f}, {fitted.seconds:.0f} s")
        if best is None or reached > best.validation:
            right = accuracy(model.logits(parts["test"]), parts["test"])
            best = Tuned(rate, trainable, fitted.seconds, reached, right)
        del model
    assert best is not None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return replace(best, megabytes=peak)
