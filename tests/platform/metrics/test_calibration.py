import numpy as np
import pytest

from components.platform.metrics.calibration import logistic


def newton(design, target, ridge):
    """The same minimum by Newton's method, written out."""
    weights = np.zeros(design.shape[1])
    for _ in range(100):
        p = 1 / (1 + np.exp(-design @ weights))
        gradient = design.T @ (p - target) + ridge * weights
        hessian = (design * (p * (1 - p))[:, None]).T @ design + ridge * np.eye(len(weights))
        weights -= np.clip(np.linalg.solve(hessian, gradient), -2, 2)
    return weights


@pytest.mark.parametrize("rate", [0.005, 0.1, 0.5])
@pytest.mark.parametrize("soft", [False, True])
def test_the_weights_are_the_minimum(rate: float, soft: bool) -> None:
    rng = np.random.default_rng(0)
    design = np.stack([rng.normal(size=5000), np.ones(5000)], axis=1)
    chance = 1 / (1 + np.exp(-(np.log(rate / (1 - rate)) + 1.3 * design[:, 0])))
    target = (rng.random(5000) < chance).astype(float)
    if soft:
        target = np.where(target > 0, 0.99, 0.001)
    expected = newton(design, target, 1e-3)
    assert logistic(design, target, 1e-3) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_label_alone_has_a_finite_offset(label: float) -> None:
    design = np.stack([np.linspace(-1, 1, 200), np.ones(200)], axis=1)
    slope, offset = logistic(design, np.full(200, label), 1e-3)
    assert slope == pytest.approx(0, abs=1e-3)
    assert offset == pytest.approx(newton(design, np.full(200, label), 1e-3)[1], abs=1e-4)
