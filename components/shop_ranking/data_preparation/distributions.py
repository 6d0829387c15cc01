"""Plots of how sizes are distributed, drawn from the numbers of summary.json alone."""

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
    label,
    plain,
)


def basket_sizes(summary: Summary) -> Figure:
    """Sessions by the number of different items; the last bar holds the rest."""
    figure, (axis,) = canvas()
    baskets = summary["baskets"]
    sizes = {int(size): count for size, count in baskets["sessions_by_size"].items()}
    last = int(min(max(baskets["p99"], 5), 60))
    counts = [sizes.get(size, 0) for size in range(1, last)]
    rest = sum(count for size, count in sizes.items() if size >= last)
    axis.bar(range(1, last + 1), [*counts, rest], color=[MAIN] * len(counts) + [FAINT], width=0.85)
    axis.set_title(
        f"median {baskets['median']:g}, mean {baskets['mean']:.1f}, "
        f"one in ten has {baskets['p90']:g} or more",
        fontsize=9, color=INK, loc="left",
    )  # fmt: skip
    plain(axis.yaxis)
    label(axis, f"different items in a session (last bar: {last} or more)", "sessions")
    return figure


def popularity(summary: Summary) -> Figure:
    """Sessions of the n-th most popular item, both axes logarithmic."""
    figure, (axis,) = canvas()
    popularity = summary["popularity"]
    ranks, sessions = np.array(popularity["curve"]).T
    axis.loglog(ranks, sessions, color=MAIN, linewidth=2)
    axis.fill_between(ranks, sessions, 1, color=MAIN, alpha=0.08)
    least = summary["rules"]["min_item_sessions"]
    axis.axhline(least, color=ACCENT, linewidth=1.2, linestyle="--")
    axis.annotate(
        f" {least} sessions make an item eligible", (1, least), color=ACCENT, fontsize=9,
        va="bottom",
    )  # fmt: skip
    shares = ", ".join(
        f"{name.replace('top_', '')} of items take {share:.0%}"
        for name, share in popularity["share"].items()
    )
    axis.set_title(f"top {shares} of the visits", fontsize=9, color=INK, loc="left")
    axis.set_xlim(1, max(ranks[-1], 2))
    axis.set_ylim(bottom=1)
    plain(axis.xaxis)
    plain(axis.yaxis)
    label(axis, "item, by rank", "sessions")
    return figure


def prices(summary: Summary) -> Figure | None:
    """Unit prices on a log axis, and how much is taken off where something is."""
    prices = summary["prices"]
    if not prices["lines"]:
        return None
    figure, (left, right) = canvas(columns=2)
    edges = np.array([float(edge) for edge in prices["lines_by_price_from"]])
    lines = np.array(list(prices["lines_by_price_from"].values()))
    kept = lines > lines.sum() * 1e-4
    left.bar(
        edges[kept], lines[kept] / prices["lines"], width=edges[kept] * 0.24, align="edge",
        color=MAIN,
    )  # fmt: skip
    left.set_xscale("log")
    plain(left.xaxis)
    left.yaxis.set_major_formatter(PercentFormatter(1.0))
    label(left, "unit price paid", "order lines")
    off = {float(edge): count for edge, count in prices["lines_by_discount_from"].items()}
    share = np.array(list(off.values())) / prices["lines"]
    right.bar(list(off), share, width=0.045, align="edge", color=ACCENT)
    right.set_xlim(0, max(0.5, max(off, default=0.0) + 0.05))
    right.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    right.yaxis.set_major_formatter(PercentFormatter(1.0))
    right.set_title(
        f"{prices['discounted_share']:.0%} of lines are discounted",
        fontsize=9, color=INK, loc="left",
    )  # fmt: skip
    label(right, "discount, share of the full price", "order lines")
    return figure


def sequence_lengths(summary: Summary) -> Figure:
    """Share of shoppers with at most so many lines before each cut."""
    figure, (axis,) = canvas()
    cuts = summary["cuts"]
    for place, cut in enumerate(cuts, start=1):
        lengths = np.array(cut["length_by_share"])
        axis.plot(
            lengths, np.linspace(0, 1, len(lengths)), color=ROLE_COLOURS[cut["role"]],
            alpha=1.0 if cut["role"] != "fit" else 0.4 + 0.6 * place / len(cuts), linewidth=1.8,
            label=f"{cut['name']} {cut['day']}: median {cut['sequence_length']['median']:g}",
        )  # fmt: skip
    axis.set_xscale("log")
    axis.set_ylim(0, 1)
    axis.yaxis.set_major_formatter(PercentFormatter(1.0))
    plain(axis.xaxis)
    axis.legend(frameon=False, fontsize=9, loc="upper left", labelcolor=INK)
    label(axis, "lines in the shopper's history (catalogue items)", "shoppers")
    return figure


def missing_modalities(summary: Summary) -> Figure:
    """Catalogue items by what they have for the text and the image tower."""
    figure, (axis,) = canvas(height=2.0)
    items = summary["items"]
    kinds = {
        "text and picture": "text_and_picture",
        "text only": "text_only",
        "picture only": "picture_only",
        "neither": "neither",
    }
    counts = [items[key] for key in kinds.values()]
    axis.barh(list(kinds), counts, color=[MAIN, SECOND, SECOND, ACCENT], height=0.6)
    for row, count in enumerate(counts):
        share = count / max(items["catalogue"], 1)
        axis.annotate(f" {count:,} ({share:.1%})", (count, row), va="center", fontsize=9, color=INK)
    axis.invert_yaxis()
    axis.grid(visible=False)
    axis.set_xlim(0, max(counts) * 1.18)
    plain(axis.xaxis)
    label(axis, "catalogue items", "")
    return figure
