import math
from collections.abc import Mapping
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from components.platform.errors import ModelError
from components.platform.params import ScheduleParams
from components.platform.training.loop import Plan, fit, to_device


class Regression(nn.Module):
    """y = 3 x: the loss falls to nothing when the loop works."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.zeros(1))

    def forward(self, x_B: Tensor) -> dict[str, Tensor]:
        loss = ((self.slope - 3.0) * x_B).square().mean()
        return {"loss": loss, "samples": torch.tensor(float(len(x_B)))}


def batches(epoch: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(epoch)
    return [torch.randn(16, generator=generator) for _ in range(10)]


def test_fit_learns_logs_and_counts():
    logged: list[Mapping[str, float]] = []
    objective = Regression()
    optimizer = torch.optim.Adam(objective.parameters())
    fitted = fit(
        objective,
        optimizer,
        batches,
        Plan(epochs=20, lr=0.3),
        name="regression",
        log=lambda metrics, step: logged.append(metrics),
    )
    assert objective.slope.item() == pytest.approx(3.0, abs=0.05)
    assert fitted.steps == 200
    assert fitted.loss < 0.01
    assert fitted.rates["samples_per_second"] * fitted.seconds == pytest.approx(3200)
    assert {"loss", "lr", "epoch", "samples_per_second"} <= set(logged[-1])


def test_a_loss_that_is_no_number_stops_the_training():
    objective = Regression()
    optimizer = torch.optim.Adam(objective.parameters())
    with pytest.raises(ModelError, match="finite loss"):
        fit(
            objective,
            optimizer,
            lambda epoch: [torch.tensor([math.nan])],
            Plan(epochs=1, lr=0.1),
            name="regression",
        )


def test_learning_rate_warms_up_then_falls_along_a_cosine():
    plan = Plan(1, 1.0, ScheduleParams(warmup_share=0.1, final_rate_share=0.1))
    assert plan.lr_at(0.05) == pytest.approx(0.5)
    assert plan.lr_at(0.1) == pytest.approx(1.0)
    assert plan.lr_at(0.55) == pytest.approx(0.55)
    assert plan.lr_at(1.0) == pytest.approx(0.1)


def test_large_gradients_are_clipped_and_groups_scale_the_rate():
    objective = Regression()
    optimizer = torch.optim.SGD([{"params": objective.parameters(), "lr_scale": 0.5}], lr=9.0)
    plan = Plan(1, 1.0, ScheduleParams(warmup_share=0.0, final_rate_share=1.0, clip_norm=1.0))
    fit(objective, optimizer, lambda epoch: [torch.full((4,), 1e6)], plan, name="regression")
    assert objective.slope.item() == pytest.approx(0.5)


def test_batches_of_any_shape_move_to_the_device():
    class Pair(NamedTuple):
        left: Tensor
        name: str

    moved = to_device({"a": Pair(torch.zeros(2), "x"), "b": [torch.ones(1)]}, torch.device("meta"))
    assert moved["a"].left.device.type == "meta"
    assert moved["a"].name == "x"
    assert moved["b"][0].device.type == "meta"


def test_a_training_ends_early_when_told_and_after_the_epochs_asked_for() -> None:
    def steps(plan: Plan, stop: int | None = None) -> int:
        objective = Regression()
        optimizer = torch.optim.SGD(objective.parameters())
        return fit(
            objective, optimizer, batches, plan, name="early",
            after_step=None if stop is None else lambda step: step == stop,
        ).steps  # fmt: skip

    assert steps(Plan(epochs=3, lr=0.1)) == 30
    assert steps(Plan(epochs=3, lr=0.1), stop=17) == 17
    assert steps(Plan(epochs=3, lr=0.1, stop_after=2)) == 20
