"""The data summary's plots, in reading order."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from components.shop_ranking.data_preparation.canvas import Summary
from components.shop_ranking.data_preparation.distributions import (
    basket_sizes,
    missing_modalities,
    popularity,
    prices,
    sequence_lengths,
)
from components.shop_ranking.data_preparation.timelines import events_by_week, repeat_share, splits

PLOTS: dict[str, tuple[str, Callable[[Summary], Figure | None]]] = {
    "Time splits": ("splits", splits),
    "Events a week": ("events_by_week", events_by_week),
    "Repeat visits by week": ("repeat_share", repeat_share),
    "Popularity of items": ("popularity", popularity),
    "Basket size": ("basket_size", basket_sizes),
    "Length of histories at each cut": ("sequence_lengths", sequence_lengths),
    "Prices and discounts": ("prices", prices),
    "What items lack": ("missing_modalities", missing_modalities),
}


def draw_all(summary: Summary, folder: Path) -> dict[str, Path]:
    """Write the PNG of every plot that has data; return title -> file."""
    drawn = {}
    for title, (name, plot) in PLOTS.items():
        figure = plot(summary)
        if figure is None:
            continue
        drawn[title] = folder / f"{name}.png"
        figure.savefig(drawn[title], dpi=110, metadata={"Software": None})
    return drawn
