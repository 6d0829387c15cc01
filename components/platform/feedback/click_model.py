"""pCTR: probability of a click from a model's score, calibrated on what was shown and clicked.

Platt scaling (Platt 1999) with the position and the kind of slot beside the scores: a logistic
regression, because score and examination act on the same click. There are two scores, each with a
scale and a slope of its own: the model's own (the column fused_score), and, where the answer was
ranked by another score, that one: its relevance (say a sum of reciprocal ranks, .003 to .033).
Without enough clicks there is no calibration to be had: then a prior by position stands in, and
says so.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from components.platform import storage
from components.platform.errors import DataError
from components.platform.metrics.calibration import logistic
from components.platform.params.loop import FeedbackParams

Floats = npt.NDArray[np.float64]
KEY = "feedback/pctr.json"  # in S3: {model version: ClickModel}, by feedback ingestion


@dataclass(frozen=True)
class ClickModel:
    """P(click) = sigmoid(weights . [1, log2(1 + position), ad, f, f missing, r, r known]).

    f and r are the fused score and the relevance, each as (score - mean) / scale, 0 where missing.
    """

    weights: tuple[float, ...]
    fused_mean: float
    fused_scale: float
    relevance_mean: float
    relevance_scale: float
    impressions: int  # it was fitted on
    clicks: int
    prior_rate: float = 0.0  # of the prior: clicks an impression at position 1

    @property
    def calibrated(self) -> bool:
        """Tell a fitted model from the prior."""
        return self.clicks > 0

    def probability(
        self, score: Floats, fused: Floats, position: Floats, sponsored: Floats
    ) -> Floats:
        """Return P(click) for N impressions; all (N,).

        Args:
            score: what the item was ordered by; it is the relevance where it is not `fused`.
            fused: score of the fused model, NaN where there is none.
            position: from 1.
            sponsored: 0 or 1.

        """
        if not self.calibrated:
            return self.prior_rate / np.log2(1 + np.asarray(position, np.float64))
        f = (fused - self.fused_mean) / self.fused_scale
        r = (_relevance(score, fused) - self.relevance_mean) / self.relevance_scale
        return _sigmoid(_design(f, r, position, sponsored) @ np.array(self.weights))

    def as_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "ClickModel":
        """Return the model that was written."""
        return cls(**{**values, "weights": tuple(values["weights"])})


def read_models() -> dict[str, ClickModel] | None:
    """Return what feedback ingestion calibrated, by model version; None where it never did.

    Raises:
        StorageError: S3 cannot be reached.
        DataError: another version of the platform wrote it in another layout.

    """
    if not storage.stored(KEY):
        return None
    content = storage.get(KEY)
    try:
        return {version: ClickModel.from_json(v) for version, v in json.loads(content).items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(
            f"click models in {KEY}", repr(error), "run the DAG feedback_ingestion of this version"
        ) from error


def prior(rate: float) -> ClickModel:
    """Return what stands in while nothing is calibrated: `rate` at position 1, less below."""
    return ClickModel((), 0.0, 1.0, 0.0, 1.0, 0, 0, rate)


def fit(
    score: Floats,
    fused: Floats,
    position: Floats,
    sponsored: Floats,
    clicked: Floats,
    params: FeedbackParams,
) -> ClickModel | None:
    """Return the model of N impressions, all (N,); None where there is too little to learn.

    The columns are those of `ClickModel.probability`, and 1 for a click.

    A logistic regression with Platt's targets instead of 0 and 1.
    """
    clicks = int(clicked.sum())
    if min(clicks, len(clicked) - clicks) < params.min_clicks:
        return None
    relevance = _relevance(score, fused)
    (f_mean, f_scale), (r_mean, r_scale) = _scale_of(fused), _scale_of(relevance)
    X = _design((fused - f_mean) / f_scale, (relevance - r_mean) / r_scale, position, sponsored)
    high, low = (clicks + 1) / (clicks + 2), 1 / (len(clicked) - clicks + 2)
    target = np.where(clicked > 0, high, low)
    w = logistic(X, target, params.click_ridge)
    return ClickModel(tuple(w.tolist()), f_mean, f_scale, r_mean, r_scale, len(clicked), clicks)


def _relevance(score: Floats, fused: Floats) -> Floats:
    """Return the score where it is not the fused one, NaN elsewhere: it is no relevance."""
    return np.where(score == fused, np.nan, score)


def _scale_of(score: Floats) -> tuple[float, float]:
    """Return mean and standard deviation of what is known; 0 and 1 where nothing is."""
    known = score[~np.isnan(score)]
    return (float(known.mean()), float(known.std()) or 1.0) if len(known) else (0.0, 1.0)


def _design(f: Floats, r: Floats, position: Floats, sponsored: Floats) -> Floats:
    return np.column_stack(
        [
            np.ones(len(f)),
            np.log2(1 + position),
            sponsored,
            np.nan_to_num(f, nan=0.0),
            np.isnan(f),
            np.nan_to_num(r, nan=0.0),
            ~np.isnan(r),
        ]
    )


def _sigmoid(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-np.clip(x, -40, 40)))
