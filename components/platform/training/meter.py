"""What a training tells while it runs: losses, learning rate and throughput."""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from components.platform.errors import ModelError
from components.platform.progress import say
from components.platform.training import processes

COUNTS = ("users", "tokens", "samples")  # entries of a step's result that are summed, not averaged
SECONDS_BETWEEN_LOGS = 2.0  # Capacity only: changes no result.
SECONDS_BETWEEN_LINES = 10.0  # Capacity only: changes no result.

Log = Callable[[Mapping[str, float], int], None]


class Meter:
    """Gathers the results of steps; logs them about every two seconds.

    `loss` is the mean over the last epoch, added up step by step, so that it does not depend on
    when logs happened to be written.
    """

    def __init__(self, name: str, log: Log | None) -> None:
        self.name, self.log = name, log
        self._epoch, self._epoch_loss, self._epoch_steps = 0, 0.0, 0
        self._counts: dict[str, float] = {}
        self._unlogged: list[Mapping[str, Tensor]] = []
        self._lr = math.nan
        self._logged = self._said = time.monotonic()

    @property
    def loss(self) -> float:
        """Mean loss of the last epoch, NaN before the first step."""
        return self._epoch_loss / self._epoch_steps if self._epoch_steps else math.nan

    def add(self, parts: Mapping[str, Tensor], step: int, epoch: int, lr: float) -> None:
        """Take the result of one step; log and print when it is time to.

        Raises:
            ModelError: a loss was not finite.

        """
        if epoch != self._epoch:
            self.flush(step)
            self._epoch, self._epoch_loss, self._epoch_steps = epoch, 0.0, 0
        self._unlogged.append(
            {key: torch.as_tensor(value).detach() for key, value in parts.items()}
        )
        self._lr = lr
        if time.monotonic() - self._logged >= SECONDS_BETWEEN_LOGS:
            self.flush(step)

    def flush(self, step: int) -> None:
        """Log what has gathered; only here values leave the device.

        Raises:
            ModelError: a loss was not finite.

        """
        if not self._unlogged:
            return
        columns = {
            key: torch.stack([part[key] for part in self._unlogged]).tolist()
            for key in self._unlogged[0]
        }
        now, steps = time.monotonic(), len(self._unlogged)
        self._unlogged = []
        self._require_finite(columns["loss"], step)
        for loss in columns["loss"]:
            self._epoch_loss += loss
            self._epoch_steps += 1
        metrics = {"lr": self._lr, "epoch": float(self._epoch)}
        for key, values in columns.items():
            if key in COUNTS:
                total = sum(values) * processes.size()  # the others' shares are as large
                self._counts[key] = self._counts.get(key, 0.0) + total
                metrics[f"{key}_per_second"] = total / max(now - self._logged, 1e-9)
            else:
                metrics[key] = sum(values) / steps
        self._logged = now
        if self.log:
            self.log(metrics, step)
        if now - self._said >= SECONDS_BETWEEN_LINES:
            self._said = now
            say(f"{self.name}: epoch {self._epoch}, step {step}, loss {metrics['loss']:.4f}")

    def rates(self, seconds: float) -> dict[str, float]:
        """Counts a second over the whole training."""
        return {f"{key}_per_second": n / max(seconds, 1e-9) for key, n in self._counts.items()}

    def state_dict(self) -> dict[str, Any]:
        """Plain values for a checkpoint, taken after a flush."""
        return {
            "epoch": self._epoch,
            "epoch_loss": self._epoch_loss,
            "epoch_steps": self._epoch_steps,
            "counts": dict(self._counts),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up the values of a checkpoint."""
        self._epoch, self._epoch_loss = state["epoch"], state["epoch_loss"]
        self._epoch_steps, self._counts = state["epoch_steps"], dict(state["counts"])

    def _require_finite(self, losses: list[float], step: int) -> None:
        bad = [loss for loss in losses if not math.isfinite(loss)]
        if bad:
            raise ModelError(
                f"a finite loss ({self.name}, by step {step})",
                str(bad[0]),
                "lower the learning rate or look for extreme values in the data",
            )
