"""Plots of the data summary on a time axis, drawn from the numbers of summary.json alone."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from components.shop_ranking.data_preparation.canvas import (
    ACCENT,
    FAINT,
    INK,
    MAIN,
    ROLE_COLOURS,
    SECOND,
    Summary,
    canvas,
    dates,
    label,
    number_of,
    plain,
    spread,
)

EVENT_COLOURS = {
    "impression": "#8795a6",
    "search": "#805ad5",
    "view": "#4299e1",
    "click": MAIN,
    "add_to_cart": "#319795",
    "purchase": ACCENT,
    "rating": SECOND,
}


def _full_weeks(weeks: list[str], span: Summary) -> list[str]:
    """Leave out weeks that the days from span["first"] to span["last"] cover only in part."""
    first, last = number_of(span["first"]), number_of(span["last"])
    whole = [week for week in weeks if first <= number_of(week) <= last - 6]
    return whole or weeks


def events_by_week(summary: Summary) -> Figure:
    """One line an event type, on a log axis because impressions outnumber purchases."""
    figure, (axis,) = canvas()
    by_type = summary["events"]["by_week"]
    weeks = _full_weeks(
        sorted({week for counts in by_type.values() for week in counts}), summary["events"]
    )
    days = [number_of(week) for week in weeks]
    kinds = [kind for kind in EVENT_COLOURS if kind in by_type]
    lines = np.array([[by_type[kind].get(week, 0) for week in weeks] for kind in kinds], float)
    lines[lines == 0] = np.nan
    for kind, values in zip(kinds, lines, strict=True):
        axis.plot(days, values, color=EVENT_COLOURS[kind], linewidth=1.8)
    if len(kinds) > 1:
        axis.set_yscale("log")
    else:
        axis.set_ylim(bottom=0)
    low, high = axis.transData.transform([(0, edge) for edge in axis.get_ylim()])[:, 1]
    ends = np.array([values[np.isfinite(values)][-1] for values in lines])
    heights = axis.transData.transform([(0, end) for end in ends])[:, 1]
    for kind, place in zip(kinds, spread((heights - low) / (high - low), 0.06), strict=True):
        axis.annotate(
            kind, (1.01, place), xycoords="axes fraction", color=EVENT_COLOURS[kind], fontsize=9,
            va="center",
        )  # fmt: skip
    axis.margins(x=0.01)
    plain(axis.yaxis)
    dates(axis)
    label(axis, "week", "events")
    return figure


def repeat_share(summary: Summary) -> Figure:
    """Share of visits to items the shopper had visited before; it rises while history builds up."""
    figure, (axis,) = canvas()
    weekly = summary["repeats"]["by_week"]
    weeks = _full_weeks(list(weekly), summary["repeats"])
    days = [number_of(week) for week in weeks]
    axis.plot(days, [weekly[week]["share"] for week in weeks], color=MAIN, linewidth=2)
    for cut in summary["cuts"]:
        axis.axvline(number_of(cut["day"]), color=FAINT, linewidth=1.2, linestyle="--")
        axis.annotate(
            f" {cut['name']}", (number_of(cut["day"]), 0.02), fontsize=8, color=INK,
            rotation=90, va="bottom", ha="right",
        )  # fmt: skip
    axis.set_ylim(0, 1)
    axis.yaxis.set_major_formatter(PercentFormatter(1.0))
    dates(axis)
    label(axis, "week", "visits that are repeats")
    return figure


def splits(summary: Summary) -> Figure:
    """The cuts on a time axis: features from the grey past, targets in the coloured window."""
    figure, (axis,) = canvas(height=0.9 + 0.55 * len(summary["cuts"]))
    first = number_of(summary["events"]["first"])
    end_of_data = number_of(summary["events"]["last"]) + 1
    axis.axvline(end_of_data, color=INK, linewidth=1, linestyle=":")
    axis.annotate(" end of data", (end_of_data, -0.62), fontsize=8, color=INK, va="center")
    for row, cut in enumerate(summary["cuts"]):
        day, end = number_of(cut["day"]), number_of(cut["end"])
        colour = ROLE_COLOURS[cut["role"]]
        axis.barh(row, day - first, left=first, color=FAINT, height=0.55)
        axis.barh(row, end - day, left=day, color=colour, height=0.55)
        axis.annotate(
            f"  history: {cut['lines']:,} lines, {cut['eligible_items']:,} items",
            (first, row), fontsize=8.5, va="center", color=INK,
        )  # fmt: skip
        axis.annotate(
            f"{cut['targets']:,} targets", (end, row), xytext=(5, 0), textcoords="offset points",
            fontsize=8.5, va="center", color=INK,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )  # fmt: skip
    axis.set_yticks(range(len(summary["cuts"])), [cut["name"] for cut in summary["cuts"]])
    axis.set_ylim(len(summary["cuts"]) - 0.5, -0.8)
    axis.set_xlim(first, end_of_data + (end_of_data - first) * 0.14)
    axis.grid(visible=False)
    dates(axis)
    return figure
