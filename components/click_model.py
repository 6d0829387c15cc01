"""pCTR: probability of a click from a model's score, calibrated on what was shown and clicked.

Platt scaling (Platt 1999) with the position and the kind of slot beside the score: a logistic
regression, because score and examination act on the same click. Without enough clicks there is
no calibration to be had: then a prior by position stands in, and says so.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
PRIOR_FIRST = 0.02  # clicks an impression at position 1: a round number of the trade, not measured
MIN_CLICKS = 200  # with fewer, or with fewer impressions without a click, nothing is fitted
RIDGE = 1e-3  # keeps a column without variation at zero
KEY = "feedback/click_models.json"  # in S3: {model version: ClickModel}, by feedback ingestion


@dataclass(frozen=True)
class ClickModel:
    """P(click) = sigmoid(weights . [1, (score - mean) / scale, log2(1 + position), search, ad])."""

    weights: tuple[float, ...]
    mean: float
    scale: float
    impressions: int  # it was fitted on
    clicks: int

    @property
    def calibrated(self) -> bool:
        """Tell a fitted model from the prior."""
        return self.clicks > 0

    def probability(
        self, score: Floats, position: Floats, search: Floats, sponsored: Floats
    ) -> Floats:
        """Return P(click) for N impressions, positions from 1, flags 0 or 1; all (N,)."""
        if not self.calibrated:
            return PRIOR_FIRST / np.log2(1 + np.asarray(position, np.float64))
        design = _design((score - self.mean) / self.scale, position, search, sponsored)
        return _sigmoid(design @ np.array(self.weights))

    def as_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "ClickModel":
        """Return the model that was written."""
        return cls(**{**values, "weights": tuple(values["weights"])})


PRIOR = ClickModel((), 0.0, 1.0, 0, 0)


def fit(
    score: Floats, position: Floats, search: Floats, sponsored: Floats, clicked: Floats
) -> ClickModel:
    """Return the model of N impressions, all (N,); the prior where there is too little to learn.

    Newton's method on the logistic likelihood, with Platt's targets instead of 0 and 1.
    """
    clicks = int(clicked.sum())
    if min(clicks, len(clicked) - clicks) < MIN_CLICKS:
        return PRIOR
    mean, scale = float(score.mean()), float(score.std()) or 1.0
    X = _design((score - mean) / scale, position, search, sponsored)
    high, low = (clicks + 1) / (clicks + 2), 1 / (len(clicked) - clicks + 2)
    target = np.where(clicked > 0, high, low)
    w = np.zeros(X.shape[1])
    w[0] = np.log(target.mean() / (1 - target.mean()))
    for _ in range(50):
        p = _sigmoid(X @ w)
        gradient = X.T @ (p - target) + RIDGE * w
        hessian = (X * (p * (1 - p))[:, None]).T @ X + RIDGE * np.eye(len(w))
        step = np.linalg.solve(hessian, gradient)
        w -= step
        if np.abs(step).max() < 1e-8:
            break
    return ClickModel(tuple(w.tolist()), mean, scale, len(clicked), clicks)


def calibration_error(probability: Floats, clicked: Floats, bins: int = 10) -> float:
    """Return the expected calibration error over bins of equal size (Naeini et al. 2015)."""
    groups = np.array_split(np.argsort(probability, kind="stable"), bins)
    gaps = [abs(probability[g].mean() - clicked[g].mean()) * len(g) for g in groups if len(g)]
    return float(sum(gaps) / len(probability))


def _design(z: Floats, position: Floats, search: Floats, sponsored: Floats) -> Floats:
    return np.column_stack([np.ones(len(z)), z, np.log2(1 + position), search, sponsored])


def _sigmoid(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-np.clip(x, -40, 40)))
