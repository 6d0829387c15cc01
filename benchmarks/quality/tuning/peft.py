"""Row 6: full fine-tuning, LoRA, AdaLoRA and a frozen base with a head, side by side.

Each way has two learning rates to choose from on validation. Low-rank adapters want about ten
times the rate of full fine-tuning (Schulman et al., "LoRA without regret", 2025).
"""

import resource
from dataclasses import dataclass

import numpy as np

from benchmarks.quality.report import Report, seconds, short, with_interval
from benchmarks.quality.rows import Task
from benchmarks.quality.tuning.intents import (
    EPOCHS,
    Classifier,
    accuracy,
    read_questions,
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
    """One way at its best rate."""

    rate: float
    trainable: int
    seconds: float
    validation: float
    logits: Floats


def run(task: Task) -> Report:
    """Tune in every way and test each at its best rate."""
    parts = read_questions(task.data / "banking77", task.sample, task.seed)
    epochs = EPOCHS if task.sample >= 1 else 1
    report = Report(
        f"6. Parameter-efficient tuning: {len(parts['train'].texts):,} questions, "
        f"{int(parts['train'].intent.max()) + 1} intents, {epochs} epochs"
    )
    table = report.table(
        "Accuracy on test", "way", "accuracy", "of full", "trained parameters", "of full",
        "rate", "s a training", "peak MB so far",
    )  # fmt: skip
    steps = epochs * (len(parts["train"].texts) // 32)
    full: tuple[float, int] | None = None
    for name, (params, rates) in WAYS.items():
        best: Tuned | None = None
        for rate in rates:
            model = Classifier(params, parts["train"], steps, task.seed)
            trainable = model.trainable  # AdaLoRA starts wider than it ends
            fitted = tune(model, parts["train"], rate, epochs=epochs, seed=task.seed)
            model.tower.merge()
            reached = float(accuracy(model.logits(parts["validation"]), parts["validation"]).mean())
            say(f"{name}, rate {rate:g}: validation {reached:.3f}, {fitted.seconds:.0f} s")
            if best is None or reached > best.validation:
                logits = model.logits(parts["test"])
                best = Tuned(rate, trainable, fitted.seconds, reached, logits)
            del model
        assert best is not None
        right = accuracy(best.logits, parts["test"])
        full = full or (float(np.mean(right)), best.trainable)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        table.add(
            name, with_interval(right, task.seed, 3), short(right.mean() / full[0], 3),
            f"{best.trainable:,}", f"{best.trainable / full[1]:.1%}", f"{best.rate:g}",
            seconds(best.seconds), f"{memory:,.0f}",
        )  # fmt: skip
    report.notes.append(
        "AdaLoRA's count is its start (1.5 x the rank it ends with). Peak memory is that of the "
        "process up to this line; full fine-tuning comes first."
    )
    return report
