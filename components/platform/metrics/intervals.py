"""Intervals: of means and ratios by the bootstrap, of shares by Wilson's score.

The bootstrap (Efron and Tibshirani 1993) draws users, and the same ones for every column of a
table, so differences between models are paired.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
CONFIDENCE = 0.95
DRAWN_AT_ONCE = 4_000_000  # values: 32 MB. Capacity only: changes no result.


class MeanIntervals(NamedTuple):
    """What the bootstrap says of each of M columns' means; every field is (M,)."""

    low: Floats
    high: Floats
    p: Floats  # two-sided, of the mean being 0; at least 1 / samples


def bootstrap_means(
    values_NM: Floats, samples: int, seed: int, confidence: float = CONFIDENCE
) -> MeanIntervals:
    """Return the percentile intervals of the means of M columns over N users, N >= 1.

    >>> low, high, p = bootstrap_means(np.array([[0.0], [0.5], [1.0]]), samples=1000, seed=0)
    >>> bool(0 <= low[0] < 0.5 < high[0] <= 1)
    True
    """
    distribution_MB = _bootstrap((values_NM,), np.mean, samples, seed)
    low, high = np.quantile(distribution_MB, _tails(confidence), axis=-1)
    below = (distribution_MB <= 0).mean(axis=-1)
    above = (distribution_MB >= 0).mean(axis=-1)
    return MeanIntervals(low, high, np.clip(2 * np.minimum(below, above), 1.0 / samples, 1.0))


def bootstrap_ratio(
    above_N: Floats, below_N: Floats, samples: int, seed: int
) -> tuple[float, float]:
    """Return the percentile interval of sum(above) / sum(below) over N users, N >= 1."""

    def ratio(above: Floats, below: Floats, axis: int) -> Floats:
        totals: Floats = above.sum(axis) / np.maximum(below.sum(axis), 1e-12)
        return totals

    distribution_B = _bootstrap((above_N, below_N), ratio, samples, seed)
    low, high = np.quantile(distribution_B, _tails(CONFIDENCE))
    return float(low), float(high)


def wilson(successes_N: npt.NDArray[Any], trials_N: npt.NDArray[Any]) -> tuple[Floats, Floats]:
    """Return Wilson's 95 % score interval of N shares (Wilson 1927); 0 to 1 without a trial.

    >>> low, high = wilson(np.array([10, 0]), np.array([100, 0]))
    >>> [round(float(value), 4) for value in (low[0], high[0], low[1], high[1])]
    [0.0552, 0.1744, 0.0, 1.0]
    """
    from statsmodels.stats.proportion import proportion_confint

    tried = np.asarray(trials_N) > 0
    low, high = np.zeros(len(tried)), np.ones(len(tried))
    if tried.any():
        low[tried], high[tried] = proportion_confint(
            np.asarray(successes_N)[tried],
            np.asarray(trials_N)[tried],
            alpha=1 - CONFIDENCE,
            method="wilson",
        )
    return np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0)


def _bootstrap(values: tuple[Floats, ...], statistic: Any, samples: int, seed: int) -> Floats:
    """Return the statistic of each sample of the rows, (..., samples)."""
    from scipy.stats import bootstrap

    if len(values[0]) == 1:  # nothing to draw from
        point = np.asarray(statistic(*values, axis=0))
        return np.repeat(point[..., None], samples, axis=-1)
    size = sum(part.size for part in values)
    drawn = bootstrap(
        values,
        statistic,
        n_resamples=samples,
        batch=min(max(DRAWN_AT_ONCE // size, 1), samples),
        axis=0,
        paired=True,
        vectorized=True,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    distribution: Floats = drawn.bootstrap_distribution
    return distribution


def _tails(confidence: float) -> list[float]:
    return [(1 - confidence) / 2, (1 + confidence) / 2]
