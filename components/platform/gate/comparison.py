"""The gate: is the challenger good enough to be served, on the same test rows as its reference?

Differences are paired by shopper and their intervals bootstrapped over shoppers (Efron and
Tibshirani 1993); "not worse" is a non-inferiority test: the interval's lower end must stay above
minus the margin. MLflow's MetricThreshold compares two point values and cannot say either.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from components.platform.errors import ModelError
from components.platform.metrics.intervals import bootstrap_means
from components.platform.registry.policy import Gate
from components.shop_ranking.model_registration.measurements import Measured


@dataclass(frozen=True)
class Line:
    """One comparison of the verdict table; the interval is that of the paired difference."""

    rule: str  # primary, slice, coverage, popularity bias or latency
    view: str
    slice: str
    metric: str
    reference: str
    value: float
    reference_value: float | None
    ci_low: float | None
    ci_high: float | None
    limit: float  # the least (latency and bias: the most) that passes
    passed: bool
    better: bool  # surely better than the reference


@dataclass(frozen=True)
class Verdict:
    """The whole table and what follows from it."""

    outcome: Literal["passed", "rejected", "not comparable"]
    against: str
    lines: tuple[Line, ...]
    reasons: tuple[str, ...]  # why not; empty when passed


def judge(challenger: Measured, references: Sequence[Measured], gate: Gate, seed: int) -> Verdict:
    """Compare the challenger with the champion, or with every baseline.

    Among several references each primary line takes the one that is best on that very line; all
    other lines take the best one of the first primary line.

    Raises:
        ModelError: a reference was measured on other shoppers.

    """
    lines = []
    for one in gate.primary:
        models = (challenger, _best(references, one.view, one.metric))
        where = (one.view, "all", one.metric)
        lines.append(_paired("primary", models, where, margin=one.margin, gate=gate, seed=seed))
    first = _best(references, gate.primary[0].view, gate.primary[0].metric)
    primary = {(one.view, "all", one.metric) for one in gate.primary}
    for view, part in challenger.shoppers.index.droplevel("user_id").unique():
        where = (view, part, gate.slices.metric)
        if where not in primary:
            models, margin = (challenger, first), gate.slices.margin
            lines.append(_paired("slice", models, where, margin=margin, gate=gate, seed=seed))
    lines += _whole(challenger, first, gate)
    reasons = [_reason(line) for line in lines if not line.passed]
    if not any(line.better for line in lines if line.rule == "primary"):
        reasons.append("better on none of the primary metrics")
    return Verdict(
        outcome="rejected" if reasons else "passed",
        against=references[0].model if len(references) == 1 else "the best baseline of each line",
        lines=tuple(lines),
        reasons=tuple(reasons),
    )


def _best(references: Sequence[Measured], view: str, metric: str) -> Measured:
    return max(references, key=lambda one: _shoppers(one, (view, "all", metric)).mean())


def _shoppers(one: Measured, where: tuple[str, str, str]) -> "pd.Series[float]":
    view, part, metric = where
    return one.shoppers[metric].xs((view, part), level=("view", "slice")).sort_index()


def _paired(
    rule: str,
    models: tuple[Measured, Measured],
    where: tuple[str, str, str],
    *,
    margin: float,
    gate: Gate,
    seed: int,
) -> Line:
    (challenger, reference), (view, part, metric) = models, where
    ours = _shoppers(challenger, where)
    theirs = _shoppers(reference, where)
    if not ours.index.equals(theirs.index):
        raise ModelError(
            f"{reference.model} measured on the shoppers of {challenger.model} ({view}, {part})",
            f"{len(theirs)} shoppers against {len(ours)}, not the same",
            "run the stage evaluation again",
        )
    low, high = interval((ours - theirs).to_numpy(), gate, seed)
    limit = -margin * abs(float(theirs.mean()))
    return Line(
        rule=rule,
        view=view,
        slice=part,
        metric=metric,
        reference=reference.model,
        value=float(ours.mean()),
        reference_value=float(theirs.mean()),
        ci_low=low,
        ci_high=high,
        limit=limit,
        # A small slice has a wide interval: it vetoes only a loss that is sure.
        passed=(low if rule == "primary" else high) >= limit,
        better=low > 0,
    )


def interval(difference_N: npt.NDArray[np.float64], gate: Gate, seed: int) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the mean difference over N shoppers."""
    low, high, _ = bootstrap_means(
        difference_N[:, None], gate.bootstrap_samples, seed, gate.confidence
    )
    return float(low[0]), float(high[0])


def _whole(challenger: Measured, reference: Measured, gate: Gate) -> list[Line]:
    """Compare what belongs to the model, not to a shopper: point values against a limit."""
    coverage = reference.coverage * (1 - gate.coverage_margin)
    bias = reference.popularity_bias + gate.popularity_bias_margin * abs(reference.popularity_bias)
    lines = [
        _point("coverage", challenger.coverage, reference.model, reference.coverage, coverage),
        _point(
            "popularity bias",
            challenger.popularity_bias,
            reference.model,
            reference.popularity_bias,
            bias,
        ),
    ]
    if challenger.latency_ms is not None:
        most = gate.latency.max_ms
        if reference.latency_ms is not None:
            slack = max(reference.latency_ms * gate.latency.margin, gate.latency.noise_ms)
            most = min(most, reference.latency_ms + slack)
        lines.append(
            _point("latency", challenger.latency_ms, reference.model, reference.latency_ms, most)
        )
    return lines


def _point(
    rule: str, value: float, reference: str, reference_value: float | None, limit: float
) -> Line:
    more_is_better = rule == "coverage"
    return Line(
        rule=rule,
        view="all",
        slice="all",
        metric="latency_ms" if rule == "latency" else rule.replace(" ", "_"),
        reference=reference,
        value=value,
        reference_value=reference_value,
        ci_low=None,
        ci_high=None,
        limit=limit,
        passed=value >= limit if more_is_better else value <= limit,
        better=False,
    )


def _reason(line: Line) -> str:
    if line.ci_low is None:
        return f"{line.rule} {line.value:.4g}, limit {line.limit:.4g} ({line.reference})"
    return (
        f"{line.metric} on {line.view}/{line.slice} against {line.reference}: difference "
        f"[{line.ci_low:+.4f}, {line.ci_high:+.4f}], limit {line.limit:+.4f}"
    )
