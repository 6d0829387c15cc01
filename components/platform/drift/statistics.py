"""Statistics of a week against reference weeks, each with what chance alone would make of it.

Every statistic keeps sufficient numbers a week (counts, sums), so that any set of weeks can be the
reference without touching a row again. W weeks; a larger value is worse, but for Quality.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Weeks = npt.NDArray[np.int64]
Group = Literal["input", "embedding", "prediction", "quality", "data quality"]


@dataclass(frozen=True)
class Histogram:
    """Population stability index of a column: sum of (q - p) ln(q / p) over its values.

    PSI is the symmetrised Kullback-Leibler divergence; without drift its expectation is about
    (B - 1)(1/n + 1/m) for B values and samples of n and m (Yurdakul 2018). Zero shares are filled
    as Evidently fills them, so that its reports show the same number.
    """

    name: str
    group: Group
    labels: tuple[str, ...]  # B values
    counts_WB: Floats
    rare_share: float  # values with a smaller share of the reference are one value, "other"

    @property
    def rows(self) -> Floats:
        """Observations a week."""
        return self.counts_WB.sum(axis=1)

    def pooled(self, reference: Weeks, week: int) -> tuple[list[str], Floats, Floats]:
        """Return values and their counts in the reference and in the week, rare ones as one."""
        before_B, now_B = self.counts_WB[reference].sum(axis=0), self.counts_WB[week]
        rare = before_B < self.rare_share * before_B.sum()
        kept = [label for label, out in zip(self.labels, rare, strict=True) if not out]
        if not rare.any():
            return kept, before_B, now_B
        return (
            [*kept, "other"],
            np.append(before_B[~rare], before_B[rare].sum()),
            np.append(now_B[~rare], now_B[rare].sum()),
        )

    def compare(self, reference: Weeks, week: int) -> tuple[float, float]:
        """Return the index, and its expectation without drift."""
        _, before_B, now_B = self.pooled(reference, week)
        either = (before_B > 0) | (now_B > 0)
        p_B, q_B = _shares(before_B[either]), _shares(now_B[either])
        chance = (len(p_B) - 1) * (1 / before_B.sum() + 1 / now_B.sum())
        return float(((q_B - p_B) * np.log(q_B / p_B)).sum()), float(max(chance, 1e-9))


def _shares(counts_B: Floats) -> Floats:
    shares_B = counts_B / counts_B.sum()
    least = shares_B[shares_B > 0].min()
    return np.where(shares_B > 0, shares_B, least / 1e6 if least <= 1e-4 else 1e-4)


@dataclass(frozen=True)
class Means:
    """Distance of the mean vector of what was bought from the reference's mean vector."""

    name: str
    group: Group
    sums_WD: Floats
    squares_W: Floats  # sum of squared lengths
    rows: Floats

    def compare(self, reference: Weeks, week: int) -> tuple[float, float]:
        """Return the distance, and the root of its mean square without drift."""
        n, m = self.rows[week], self.rows[reference].sum()
        before_D = self.sums_WD[reference].sum(axis=0) / m
        spread = self.squares_W[reference].sum() / m - float(before_D @ before_D)
        distance = float(np.linalg.norm(self.sums_WD[week] / n - before_D))
        return distance, float(max(np.sqrt(max(spread, 0.0) * (1 / n + 1 / m)), 1e-9))


@dataclass(frozen=True)
class Share:
    """Share of rows that are bad in one way."""

    name: str
    group: Group
    bad_W: Floats
    rows: Floats

    def value(self, week: int) -> float:
        """Return the share."""
        return float(self.bad_W[week] / self.rows[week])


@dataclass(frozen=True)
class Quality:
    """NDCG@10 of rankings against what was then wanted; higher is better."""

    name: str
    group: Group
    ndcg_W: tuple[Floats, ...]  # one value a ranking, a week

    @property
    def rows(self) -> Floats:
        """Rankings with a wanted item, a week."""
        return np.array([len(values) for values in self.ndcg_W], float)


Statistic = Histogram | Means | Share | Quality
