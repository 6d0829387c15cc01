"""Row 7: soups of fine-tunes from one start, and the loss along the lines between them.

Model soups: Wortsman et al., ICML 2022. Loss barrier: Frankle et al., "Linear mode connectivity",
ICML 2020: the highest loss on the line over the straight line between its ends. Fine-tunes of one
start lie in one basin while they stay near it; one that was driven far away shows what a hill does.
"""

import copy
import itertools

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
    said_of_unknown,
    tune,
)
from components.platform.errors import ModelError
from components.platform.progress import say
from components.shop_ranking.engine.fusion.parameter_averaging import average, digest
from components.shop_ranking.towers.text import TextParams

LAYERS = 2  # trained ones, the last
RATES = (2e-4, 4e-4, 8e-4)  # the members also differ in the order of their batches
FAR = "all layers, rate"
FAR_RATE, FAR_SHARE = 3e-3, 0.5  # over ten times what full fine-tuning wants; of the questions
ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
LINE_ON = 400  # validation questions: a line's loss needs no more
HILL = 0.05  # nats; below it a barrier is noise of so many questions

State = dict[str, Tensor]


def run(task: Task) -> Report:
    """Fine-tune members, average them, and walk the lines between all pairs of them."""
    parts = read_questions(task.data / "banking77", task.sample, task.seed)
    epochs = EPOCHS if task.sample >= 1 else 1
    model = Classifier(TextParams(adapter="none"), parts["train"], 1, task.seed)
    start = _state(model)
    members = {
        f"fine-tune, rate {rate:g}": _member(model, start, parts["train"], rate, k, epochs)
        for k, rate in enumerate(RATES)
    }
    near = list(members)
    members[f"{FAR} {FAR_RATE:g}"] = _far(model, start, parts["train"])
    reached = {name: _validation(model, member, parts) for name, member in members.items()}
    best_first = sorted(members, key=lambda name: -reached[name])
    named = digest(start)
    chosen = greedy(model, members, best_first, parts, named)
    report = Report(f"7. Parameter averaging: {len(members)} fine-tunes of one start")
    soups = {name: [name] for name in members} | {
        "uniform soup of the last layers' fine-tunes": near,
        "uniform soup of all": list(members),
        "greedy soup": chosen,
    }
    table = report.table("Accuracy", "model", "validation", "test", "test loss")
    for name, which in soups.items():
        _load(model, _average([members[member] for member in which], named))
        held = accuracy(model.logits(parts["validation"]), parts["validation"])
        logits = model.logits(parts["test"])
        table.add(
            name, short(held.mean(), 3),
            with_interval(accuracy(logits, parts["test"]), task.seed, 3),
            f"{cross_entropy(logits, parts['test']):.3f}",
        )  # fmt: skip
        say(f"{name}: {table.rows[-1][1:]}")
    _lines(report, model, members, parts["validation"])
    report.notes += [
        f"The greedy soup took: {'; '.join(chosen)}.",
        f"Members of another start are refused: {_refusal(start, members[near[0]])}",
        *said_of_unknown(parts["test"]),
    ]
    return report


def greedy(
    model: Classifier,
    members: dict[str, State],
    order: list[str],
    parts: dict[str, Questions],
    start: str,
) -> list[str]:
    """Take members in order while validation does not get worse."""
    chosen = [order[0]]
    best = _validation(model, members[order[0]], parts)
    for name in order[1:]:
        tried = [members[member] for member in [*chosen, name]]
        value = _validation(model, _average(tried, start), parts)
        if value >= best:
            chosen, best = [*chosen, name], value
    return chosen


def _lines(report: Report, model: Classifier, members: dict[str, State], held: Questions) -> None:
    """Walk the line between each two members."""
    held = held.take(np.arange(min(LINE_ON, len(held.texts))))
    table = report.table(
        f"Loss between two members, on {len(held.texts)} validation questions",
        "from", "to", *(f"{alpha:.2f}" for alpha in ALPHAS), "barrier",
    )  # fmt: skip
    hills = []

    def loss_of(state: State) -> float:
        _load(model, state)
        return cross_entropy(model.logits(held), held)

    ends = {name: loss_of(state) for name, state in members.items()}
    for start, other in itertools.combinations(members, 2):
        pair = [members[start], members[other]]
        inside = [
            loss_of(dict(average(pair, [1 - alpha, alpha], ["one", "one"])))
            for alpha in ALPHAS[1:-1]
        ]
        losses = [ends[start], *inside, ends[other]]
        barrier = barrier_of(losses)
        table.add(start, other, *(f"{loss:.3f}" for loss in losses), f"{barrier:.3f}")
        hills += [f"{start} and {other}"] if barrier > HILL else []
    report.notes.append(
        f"Barriers above {HILL:g}: " + ("; ".join(hills) or "none") + ". Averages across one are "
        "worse than their members; where there is none, averaging is safe."
    )


def barrier_of(losses: list[float]) -> float:
    """Return the highest loss at ALPHAS over the straight line between the first and the last."""
    straight = np.interp(ALPHAS, [0, 1], [losses[0], losses[-1]])
    return float((np.array(losses) - straight).max())


def _member(
    model: Classifier, start: State, questions: Questions, rate: float, k: int, epochs: int
) -> State:
    """Fine-tune the last layers and the head."""
    _load(model, start)
    model.tower.base.requires_grad_(False)
    for layer in model.tower.base.encoder.layer[-LAYERS:]:
        layer.requires_grad_(True)
    tune(model, questions, rate, epochs=epochs, seed=100 + k)
    return _state(model)


def _far(model: Classifier, start: State, questions: Questions) -> State:
    """Fine-tune everything, at a rate that leaves the start's basin."""
    _load(model, start)
    model.tower.base.requires_grad_(True)
    some = questions.take(np.arange(max(int(FAR_SHARE * len(questions.texts)), 1)))
    tune(model, some, FAR_RATE, epochs=1, seed=100)
    return _state(model)


def _state(model: Classifier) -> State:
    """All that any member may train, trained here or not."""
    parts = (("base", model.tower.base), ("head", model.head))
    return {
        f"{part}.{name}": copy.deepcopy(p.detach())
        for part, module in parts
        for name, p in module.named_parameters()
    }


@torch.no_grad()
def _load(model: Classifier, state: State) -> None:
    for part, module in (("base", model.tower.base), ("head", model.head)):
        for name, parameter in module.named_parameters():
            parameter.copy_(state[f"{part}.{name}"])


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
