"""The verdict as a person reads it (Markdown) and as DVC compares it (plain values)."""

from dataclasses import asdict
from typing import Any

from components.platform.gate.comparison import Judged, Verdict

COLUMNS = ("rule", "measure", "challenger", "reference", "difference", "limit", "")


def as_values(verdict: Verdict) -> dict[str, Any]:
    """Return the verdict as nested plain values: one entry a line, keyed by what it compares."""
    return {
        "gate": verdict.outcome,
        "against": verdict.against,
        "reasons": " | ".join(verdict.reasons) or "none",
        **({"notes": " | ".join(verdict.notes)} if verdict.notes else {}),
        "lines": {
            f"{line.rule}/{line.measure}": {
                key: value
                for key, value in asdict(line).items()
                if value is not None and key not in {"rule", "measure"}
            }
            for line in verdict.lines
        },
    }


def as_markdown(verdict: Verdict, confidence: float) -> str:
    """Return the table a person approves by; MLflow and Airflow both render it."""
    rows = [_row(line) for line in verdict.lines]
    return "\n".join(
        [
            f"Gate against {verdict.against}: **{verdict.outcome}**",
            "",
            *(f"- {line}" for line in (*verdict.reasons, *verdict.notes)),
            "",
            f"| {' | '.join(COLUMNS)} |",
            "|---" * len(COLUMNS) + "|",
            *rows,
            "",
            f"Differences are {confidence:.0%} intervals, paired by unit of measurement.",
            "",
        ]
    )


def _row(line: Judged) -> str:
    reference = "-" if line.reference_value is None else f"{line.reference_value:.4g}"
    between = "-" if line.ci_low is None else f"{line.ci_low:+.4f} to {line.ci_high:+.4f}"
    mark = ("better" if line.better else "ok") if line.passed else "**FAILS**"
    return (
        f"| {line.rule} | {line.measure} | {line.value:.4g} "
        f"| {reference} ({line.reference}) | {between} | {line.limit:+.4g} | {mark} |"
    )
