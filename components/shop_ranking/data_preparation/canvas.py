"""The look of the data summary's plots."""

from datetime import date
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

INK, FAINT, MAIN, ACCENT, SECOND = "#22303c", "#c9d1d8", "#2b6cb0", "#c05621", "#d69e2e"
ROLE_COLOURS = {"fit": "#90cdf4", "validation": MAIN, "test": ACCENT, "final": INK}
Summary = dict[str, Any]


def canvas(height: float = 3.2, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """Return a figure with `columns` quiet axes side by side."""
    figure = Figure(figsize=(8.6, height), layout="constrained", facecolor="white")
    axes = list(np.atleast_1d(figure.subplots(1, columns)))
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.spines[["left", "bottom"]].set_color(FAINT)
        axis.tick_params(which="both", colors=INK, labelsize=9, length=3)
        axis.grid(axis="y", color=FAINT, linewidth=0.6, alpha=0.7)
        axis.set_axisbelow(True)
    return figure, axes


def label(axis: Axes, x: str, y: str) -> None:
    """Name both axes."""
    axis.set_xlabel(x, color=INK, fontsize=9)
    axis.set_ylabel(y, color=INK, fontsize=9)


def plain(axis: Axis) -> None:
    """Write 12,000 as 12k; on a short log axis also name the twos and fives between."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    low, high = sorted(axis.get_view_interval())
    crowded = axis.get_scale() != "log" or high / max(low, 1e-9) > 30

    def between(value: float, _: int) -> str:
        digit = value / 10 ** np.floor(np.log10(value)) if value > 0 else 0
        return "" if crowded or round(digit, 6) not in {2, 5} else short(value)

    axis.set_minor_formatter(FuncFormatter(between))


def short(value: float) -> str:
    """Return 12k for 12,000, 1.5M for 1,500,000 and 0.5 for 0.5."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def number_of(day: str) -> float:
    """Return the place of an ISO date on a date axis, in days."""
    return float(date2num(date.fromisoformat(day)))


def dates(axis: Axes) -> None:
    """Label the x axis with as few dates as tell it."""
    locator = AutoDateLocator(minticks=4, maxticks=12)
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def spread(heights: np.ndarray, gap: float) -> np.ndarray:
    """Return the heights pushed apart, upwards, so that labels there do not overlap."""
    order = np.argsort(heights, kind="stable")
    steps = np.arange(len(heights)) * gap
    pushed = np.maximum.accumulate(heights[order] - steps) + steps
    moved = np.empty_like(pushed)
    moved[order] = pushed
    return moved
