"""One of several processes that train a small model: `python -m` with OUT [STOP].

Five batches an epoch, so that two processes must share an odd number. With STOP the process that
writes dies by signal 9 after that step.
"""

import json
import os
import signal
import sys

import torch
from torch import Tensor, nn

from components.platform.training import processes
from components.platform.training.checkpoints import Checkpoints, seed_everything
from components.platform.training.loop import Plan, fit

PLAN = Plan(epochs=3, lr=0.05)


class Line(nn.Module):
    """A linear map and a part that no step touches."""

    def __init__(self) -> None:
        super().__init__()
        self.line, self.idle = nn.Linear(4, 1), nn.Linear(2, 2)

    def forward(self, x_BF: Tensor) -> dict[str, Tensor]:
        """Return the loss of predicting the sum."""
        loss = (self.line(x_BF)[:, 0] - x_BF.sum(1)).square().mean()
        return {"loss": loss, "samples": torch.tensor(float(len(x_BF)))}


def batches(epoch: int) -> list[Tensor]:
    """Five batches of 16."""
    generator = torch.Generator().manual_seed(epoch)
    return [torch.randn(16, 4, generator=generator) for _ in range(5)]


def main(out: str, stop: int | None) -> None:
    """Train and write what was reached."""
    seed_everything(int(os.environ["RANK"]))  # the first one's start must become everyone's
    objective = Line()
    checkpoints = Checkpoints("together", "the same", every_seconds=0.0)

    def after(step: int) -> bool:
        if step == stop and os.environ["RANK"] == "0":
            os.kill(os.getpid(), signal.SIGKILL)
        return os.environ["RANK"] == "1" and step == 2  # only the first one's word counts

    with processes.joined():
        optimizer = torch.optim.SGD(objective.parameters())
        fitted = fit(
            objective, optimizer, batches, PLAN,
            name="line", checkpoints=checkpoints, after_step=after,
        )  # fmt: skip
    reached = {
        "steps": fitted.steps,
        "samples": round(fitted.rates["samples_per_second"] * fitted.seconds),
        "weights": [p.flatten().tolist() for p in objective.line.parameters()],
    }
    with open(f"{out}.{os.environ['RANK']}", "w") as stream:
        json.dump(reached, stream)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else None)
