"""Row 7: soups of fine-tunes from one start, and the loss along the line between two of them.

Model soups: Wortsman et al., ICML 2022. Loss barrier: Frankle et al., "Linear mode connectivity",
ICML 2020: the highest loss on the line over the straight line between its ends.
"""

import copy

import numpy as np
import torch
from torch import Tensor

from benchmarks.quality.report import Report, short, with_interval
from benchmarks.quality.rows import Task
from benchmarks.quality.tuning.intents import (
    EPOCHS,
    Classifier,
    Questions,
    accuracy,
    cross_entropy,
    read_questions,
    tune,
)
from components.errors import ModelError
from components.models.fusion.parameter_averaging import average, digest
from components.params import TextParams
from components.progress import say

LAYERS = 2  # trained ones, the last
RATES = (2e-4, 4e-4, 8e-4)  # the members also differ in the order of their batches
ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)

State = dict[str, Tensor]


def run(task: Task) -> Report:
    """Fine-tune members, average them, and walk the line between the first and the last."""
    parts = read_questions(task.data / "banking77", task.sample, task.seed)
    epochs = EPOCHS if task.sample >= 1 else 1
    model = Classifier(TextParams(adapter="none"), parts["train"], 1, task.seed)
    _train_last_layers(model)
    start = _state(model)
    members = [_member(model, start, parts, rate, k, epochs) for k, rate in enumerate(RATES)]
    report = Report(f"7. Parameter averaging: {len(members)} fine-tunes of one start")
    table = report.table("Accuracy", "model", "validation", "test", "test loss")
    reached = [_validation(model, member, parts) for member in members]
    order = sorted(range(len(members)), key=lambda k: -reached[k])
    chosen = greedy(model, members, order, parts, digest(start))
    soups = {f"fine-tune, rate {rate:g}": [k] for k, rate in enumerate(RATES)}
    soups |= {"uniform soup": list(range(len(members))), "greedy soup": chosen}
    for name, which in soups.items():
        _load(model, _average([members[k] for k in which], digest(start)))
        held = accuracy(model.logits(parts["validation"]), parts["validation"])
        logits = model.logits(parts["test"])
        table.add(
            name, short(held.mean(), 3),
            with_interval(accuracy(logits, parts["test"]), task.seed, 3),
            f"{cross_entropy(logits, parts['test']):.3f}",
        )  # fmt: skip
        say(f"{name}: {table.rows[-1][1:]}")
    _line(report, model, members, parts["validation"])
    report.notes.append(f"The greedy soup took the members of rate {[RATES[k] for k in chosen]}.")
    report.notes.append(f"Members of another start are refused: {_refusal(start, members[0])}")
    return report


def greedy(
    model: Classifier,
    members: list[State],
    order: list[int],
    parts: dict[str, Questions],
    start: str,
) -> list[int]:
    """Take members in order while validation does not get worse."""
    chosen = [order[0]]
    best = _validation(model, members[order[0]], parts)
    for k in order[1:]:
        value = _validation(model, _average([members[i] for i in [*chosen, k]], start), parts)
        if value >= best:
            chosen, best = [*chosen, k], value
    return chosen


def _line(report: Report, model: Classifier, members: list[State], held: Questions) -> None:
    table = report.table("Validation loss between the first and the last member", "share", "loss")
    losses = []
    for alpha in ALPHAS:
        state = average([members[0], members[-1]], [1 - alpha, alpha], ["one", "one"])
        _load(model, dict(state))
        losses.append(cross_entropy(model.logits(held), held))
        table.add(f"{alpha:.2f}", f"{losses[-1]:.4f}")
    straight = np.interp(ALPHAS, [0, 1], [losses[0], losses[-1]])
    barrier = float((np.array(losses) - straight).max())
    report.notes.append(
        f"Loss barrier {barrier:.4f}: "
        + ("none, so averaging is safe." if barrier < 0.01 else "averages cross a hill.")
    )


def _member(
    model: Classifier, start: State, parts: dict[str, Questions], rate: float, k: int, epochs: int
) -> State:
    _load(model, start)
    tune(model, parts["train"], rate, epochs=epochs, seed=100 + k)
    return _state(model)


def _train_last_layers(model: Classifier) -> None:
    model.tower.base.requires_grad_(False)
    for layer in model.tower.base.encoder.layer[-LAYERS:]:
        layer.requires_grad_(True)


def _state(model: Classifier) -> State:
    return {
        name: copy.deepcopy(p.detach()) for name, p in model.named_parameters() if p.requires_grad
    }


@torch.no_grad()
def _load(model: Classifier, state: State) -> None:
    for name, parameter in model.named_parameters():
        if name in state:
            parameter.copy_(state[name])


def _average(members: list[State], start: str) -> State:
    count = len(members)
    return dict(average(members, [1 / count] * count, [start] * count))


def _validation(model: Classifier, state: State, parts: dict[str, Questions]) -> float:
    _load(model, state)
    return float(accuracy(model.logits(parts["validation"]), parts["validation"]).mean())


def _refusal(start: State, member: State) -> str:
    """Return what the platform says when members of two starts are to be averaged."""
    other = {name: value + 1.0 for name, value in start.items()}
    try:
        average([member, member], [0.5, 0.5], [digest(start), digest(other)])
    except ModelError as error:
        return str(error)
    raise AssertionError("averaging over two starts was not refused")
