"""One training loop for all models, in the taste of nanoGPT's train.py.

The objective is a module that maps a batch to its loss. Where several processes train together
(processes.py) each takes its share of the batches and gradients are averaged.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from components.platform.params import ScheduleParams
from components.platform.progress import say
from components.platform.training import processes
from components.platform.training.checkpoints import Checkpoints
from components.platform.training.meter import Log, Meter


@dataclass(frozen=True)
class Plan:
    """How long and how fast: the rate rises to `lr` and falls again as the schedule says."""

    epochs: int
    lr: float
    schedule: ScheduleParams = field(default_factory=ScheduleParams)
    stop_after: int | None = None  # epochs really run, on the schedule of all `epochs`

    def lr_at(self, progress: float) -> float:
        """Learning rate when `progress` (0 to 1) of the training is done."""
        warmup, final = self.schedule.warmup_share, self.schedule.final_rate_share
        if progress < warmup:
            return self.lr * progress / warmup
        left = (1.0 - progress) / max(1.0 - warmup, 1e-9)
        cosine = 0.5 * (1.0 + math.cos(math.pi * (1.0 - left)))
        return self.lr * (final + (1.0 - final) * cosine)


@dataclass
class Progress:
    """Where a training stands: the next batch is `index` of `epoch`."""

    epoch: int = 0
    index: int = 0
    step: int = 0
    seconds: float = 0.0


@dataclass
class Fitted:
    """What a training took and reached; `rates` are counts a second over the whole of it."""

    steps: int
    seconds: float
    loss: float
    rates: dict[str, float]


def best_device() -> torch.device:
    """CUDA when there is one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def to_device(batch: Any, device: torch.device) -> Any:
    """Move the tensors of a batch: a tensor, or a named tuple, tuple, list or dict of them."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {key: to_device(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple | list):
        moved = [to_device(value, device) for value in batch]
        return type(batch)(*moved) if hasattr(batch, "_fields") else type(batch)(moved)
    return batch


def fit(
    objective: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Callable[[int], Sequence[Any]],
    plan: Plan,
    *,
    name: str,
    checkpoints: Checkpoints | None = None,
    log: Log | None = None,
    after_step: Callable[[int], bool | None] | None = None,
) -> Fitted:
    """Train `objective` in place, going on from the checkpoint `name` if there is a fitting one.

    Args:
        objective: maps a batch to {"loss": scalar, ...}; other entries are logged too, those named
            in COUNTS as rates. State beyond parameters and buffers belongs in get_extra_state.
        optimizer: its parameter groups may carry "lr_scale", a factor on the plan's rate.
        batches: epoch -> its batches. Item i depends on the epoch and i alone (not on batches
            drawn before it), which is what makes a resumed training equal an uninterrupted one.
        plan: epochs, learning rate and clipping.
        name: of the checkpoint, and shown in progress lines.
        checkpoints: where checkpoints go; None keeps none.
        log: called with metrics and the step about every two seconds.
        after_step: called with the number of steps done after each of them; True ends the training.

    Raises:
        ModelError: the loss is no longer a finite number.

    """
    meter = Meter(name, log)
    at = _resume(objective, optimizer, meter, name, checkpoints)
    started = time.monotonic() - at.seconds

    def save_checkpoint() -> None:
        meter.flush(at.step)
        at.seconds = time.monotonic() - started
        if checkpoints:
            states = {
                "objective": objective.state_dict(),
                "optimizer": optimizer.state_dict(),
                "meter": meter.state_dict(),
                "progress": asdict(at),
            }
            checkpoints.save(name, states)

    objective.train()
    device, trained = next(objective.parameters()).device, processes.together(objective)
    last, done = plan.epochs if plan.stop_after is None else plan.stop_after, False
    while at.epoch < last and not done:
        order = processes.own_share(batches(at.epoch))
        while at.index < len(order):
            lr = plan.lr_at((at.epoch + (at.index + 0.5) / len(order)) / plan.epochs)
            parts = _step(trained, optimizer, order[at.index], lr, plan.schedule.clip_norm)
            at.index, at.step = at.index + 1, at.step + 1
            if after_step:
                done = processes.agreed(bool(after_step(at.step)), device)
            meter.add(parts, at.step, at.epoch, lr)
            if done:
                break
            if checkpoints and checkpoints.due():
                save_checkpoint()
        at.epoch, at.index = at.epoch + 1, 0
    save_checkpoint()
    objective.eval()
    say(f"{name}: {at.step} steps in {at.seconds:.1f} s, loss {meter.loss:.4f}")
    return Fitted(at.step, at.seconds, meter.loss, meter.rates(at.seconds))


def _resume(
    objective: nn.Module,
    optimizer: torch.optim.Optimizer,
    meter: Meter,
    name: str,
    checkpoints: Checkpoints | None,
) -> Progress:
    state = checkpoints.load(name) if checkpoints else None
    if state is None:
        return Progress()
    objective.load_state_dict(state["objective"])
    optimizer.load_state_dict(state["optimizer"])
    meter.load_state_dict(state["meter"])
    progress = Progress(**state["progress"])
    say(f"{name}: resumed at step {progress.step}")
    return progress


def _step(
    objective: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: Any,
    lr: float,
    clip_norm: float,
) -> Mapping[str, Tensor]:
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("lr_scale", 1.0)
    device = next(objective.parameters()).device
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        parts: Mapping[str, Tensor] = objective(to_device(batch, device))
    optimizer.zero_grad(set_to_none=True)
    parts["loss"].backward()
    nn.utils.clip_grad_norm_(objective.parameters(), clip_norm)
    optimizer.step()
    return parts
