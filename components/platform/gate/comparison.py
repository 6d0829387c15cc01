"""The gate: is the challenger good enough to be served, on the same test rows as its reference?

Differences are paired by unit and their intervals bootstrapped over units (Efron and Tibshirani
1993); "not worse" is a non-inferiority test: the interval's lower end must stay above minus the
margin. MLflow's MetricThreshold compares two point values and cannot say either. The gate knows
no measure by name: rules.py says what a line is, mlflow/registry.yaml which lines there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from components.platform.errors import ModelError, RegistryError
from components.platform.gate.measured import Measured
from components.platform.gate.rules import Gate, Line
from components.platform.metrics.intervals import bootstrap_means


@dataclass(frozen=True)
class Judged:
    """One line of the verdict table; the interval is that of the paired difference."""

    rule: str  # primary, slice, least or most
    measure: str
    reference: str
    value: float
    reference_value: float | None
    ci_low: float | None
    ci_high: float | None
    limit: float  # the least (rule most: the most) that passes
    passed: bool
    better: bool  # surely better than the reference


@dataclass(frozen=True)
class Verdict:
    """The whole table and what follows from it."""

    outcome: Literal["passed", "rejected", "not comparable"]
    against: str
    lines: tuple[Judged, ...]
    reasons: tuple[str, ...]  # why not; empty when passed
    notes: tuple[str, ...] = ()  # what could not be compared, and why


def judge(challenger: Measured, references: Sequence[Measured], gate: Gate, seed: int) -> Verdict:
    """Compare the challenger with the champion, or with every baseline.

    Among several references each primary line takes the one that is best on that very line; all
    other lines take the best one of the first primary line. A measure is judged by the first line
    that names it.

    Raises:
        RegistryError: a line names a measure that nobody measured.
        ModelError: a reference was measured on other units, or lacks a measure.

    """
    judged: dict[str, Judged] = {}
    leading = _best(references, _named(gate.lines, challenger, "primary")[0])
    for line in gate.lines:
        for measure in _named([line], challenger, line.rule):
            if measure in judged:
                continue
            if line.rule in {"primary", "slice"}:
                reference = _best(references, measure) if line.rule == "primary" else leading
                judged[measure] = _paired(line, measure, challenger, reference, gate, seed)
            else:
                judged[measure] = _point(line, measure, challenger, leading)
    lines = tuple(judged.values())
    reasons = [_reason(line) for line in lines if not line.passed]
    if not any(line.better for line in lines if line.rule == "primary"):
        reasons.append("better on none of the primary measures")
    return Verdict(
        outcome="rejected" if reasons else "passed",
        against=references[0].model if len(references) == 1 else "the best baseline of each line",
        lines=lines,
        reasons=tuple(reasons),
    )


def _named(lines: Sequence[Line], challenger: Measured, rule: str) -> list[str]:
    """Return the challenger's measures that lines of a rule name, in the order of the lines."""
    measures = challenger.by_unit if rule in {"primary", "slice"} else challenger.points
    named: list[str] = []
    for line in (line for line in lines if line.rule == rule):
        matching = [name for name in measures if fnmatchcase(name, line.measure)]
        if not matching:
            known = sorted(measures)
            said = ", ".join(known[:12]) + (f" and {len(known) - 12} more" * (len(known) > 12))
            raise RegistryError(
                f"a measurement of {line.measure}, which the gate's {rule} line names",
                f"measurements of {said or 'nothing'}",
                "correct the line in mlflow/registry.yaml, or measure it",
            )
        named += matching
    return named


def _best(references: Sequence[Measured], measure: str) -> Measured:
    return max(references, key=lambda reference: _values(reference, measure).mean())


def _values(measured: Measured, measure: str) -> "pd.Series[float]":
    try:
        return measured.by_unit[measure].sort_index()
    except KeyError as error:
        raise ModelError(
            f"{measure} measured of {measured.model}", "none", "measure both models anew"
        ) from error


def _paired(
    line: Line,
    measure: str,
    challenger: Measured,
    reference: Measured,
    gate: Gate,
    seed: int,
) -> Judged:
    ours, theirs = _values(challenger, measure), _values(reference, measure)
    if not ours.index.equals(theirs.index):
        raise ModelError(
            f"{reference.model} measured on the units of {challenger.model} ({measure})",
            f"{len(theirs)} units against {len(ours)}, not the same",
            "run the stage evaluation again",
        )
    low, high = interval((ours - theirs).to_numpy(), gate, seed)
    limit = -line.margin * abs(float(theirs.mean()))
    return Judged(
        rule=line.rule,
        measure=measure,
        reference=reference.model,
        value=float(ours.mean()),
        reference_value=float(theirs.mean()),
        ci_low=low,
        ci_high=high,
        limit=limit,
        # A small slice has a wide interval: it vetoes only a loss that is sure.
        passed=(low if line.rule == "primary" else high) >= limit,
        better=low > 0,
    )


def interval(difference_N: npt.NDArray[np.float64], gate: Gate, seed: int) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the mean difference over N units."""
    low, high, _ = bootstrap_means(
        difference_N[:, None], gate.bootstrap_samples, seed, gate.confidence
    )
    return float(low[0]), float(high[0])


def _point(line: Line, measure: str, challenger: Measured, reference: Measured) -> Judged:
    """Compare what belongs to the model, not to a unit: point values against a limit."""
    value, theirs = challenger.points[measure], reference.points.get(measure)
    sign = 1 if line.rule == "most" else -1  # which way is worse
    limits = [] if line.limit is None else [line.limit]
    if theirs is not None:
        limits.append(theirs + sign * max(line.margin * abs(theirs), line.noise))
    limit = sign * min((sign * bound for bound in limits), default=float("inf"))
    return Judged(
        rule=line.rule,
        measure=measure,
        reference=reference.model,
        value=value,
        reference_value=theirs,
        ci_low=None,
        ci_high=None,
        limit=limit,
        passed=sign * value <= sign * limit,
        better=False,
    )


def _reason(line: Judged) -> str:
    if line.ci_low is None:
        return f"{line.measure} {line.value:.4g}, limit {line.limit:.4g} ({line.reference})"
    return (
        f"{line.measure} against {line.reference}: difference "
        f"[{line.ci_low:+.4f}, {line.ci_high:+.4f}], limit {line.limit:+.4f}"
    )
