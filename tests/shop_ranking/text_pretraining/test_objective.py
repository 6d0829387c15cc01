"""What the encoder is trained for, on a handful of texts."""

import numpy as np
import pytest
import torch

from components.platform.encoders.text import TextTower
from components.platform.training.batches import Batches
from components.platform.training.loop import Plan, fit
from components.shop_ranking.text_pretraining.adapters import wrap_base
from components.shop_ranking.text_pretraining.objective import TextObjective, pair_batches
from components.shop_ranking.text_pretraining.pairs import Pairs
from components.shop_ranking.towers.text import TextParams

KINDS = ("tea", "soap", "bread", "paper")
TEXTS = [f"{colour} {kind} of the farm" for kind in KINDS for colour in ("red", "green")]
STEPS = 25


def objective_and_batches(weight: float) -> tuple[TextObjective, Batches]:
    """A fresh objective with an adapter of random start, and its batches."""
    torch.manual_seed(0)
    params = TextParams(mlm_weight=weight, rank=4, batch_size=8)
    tower = TextTower(params.base_model, 16, 8)
    wrap_base(tower, params, STEPS)
    left = np.arange(len(TEXTS))
    pairs = Pairs(TEXTS, left, left ^ 1, np.full(len(TEXTS), 1 / len(TEXTS), np.float32))
    return TextObjective(tower, params), pair_batches(pairs, tower, 8, STEPS, 0)


def trained(weight: float) -> list[dict[str, float]]:
    """Train; returns what each step logged."""
    objective, batches = objective_and_batches(weight)
    steps: list[dict[str, float]] = []
    parameters = [p for p in objective.parameters() if p.requires_grad]
    whole = objective.forward

    def noted(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        parts = whole(batch)
        steps.append({name: float(value.detach()) for name, value in parts.items()})
        return parts

    objective.forward = noted
    plan = Plan(epochs=1, lr=2e-3)
    fit(objective, torch.optim.AdamW(parameters), lambda _: batches, plan, name="encoder")
    return steps


def test_masked_words_are_learnt() -> None:
    steps = trained(1.0)
    lost = [step["masked_words"] for step in steps]
    assert np.mean(lost[-5:]) < 0.7 * np.mean(lost[:5])


@pytest.mark.parametrize("weight", [0.25, 2.0])
def test_masked_words_count_at_their_weight(weight: float) -> None:
    objective, batches = objective_and_batches(weight)
    parts = {name: float(value) for name, value in objective(batches[0]).items()}
    expected = parts["contrast"] + weight * parts["masked_words"]
    assert parts["masked_words"] > 0
    assert parts["loss"] == pytest.approx(expected, rel=1e-5)


def test_without_a_weight_no_word_is_masked() -> None:
    objective, batches = objective_and_batches(0.0)
    parts = objective(batches[0])
    assert "masked_words" not in parts
    assert float(parts["loss"]) == pytest.approx(float(parts["contrast"]))
