"""The leaderboard on a terminal or in a task log."""

from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from components.platform.errors import DataError


def read_leaderboard(path: Path) -> pd.DataFrame:
    """Read reports/leaderboard.csv.

    Raises:
        DataError: the file is absent.

    """
    try:
        return pd.read_csv(path)
    except FileNotFoundError as error:
        raise DataError(f"the leaderboard {path}", "none", "run the stage evaluation") from error


def print_leaderboard(path: Path) -> None:
    """Print NDCG with intervals by view, and the catalogue's side, best on all first."""
    board = read_leaderboard(path)
    board = board[board["slice"] == "all"]
    ndcg = next(name for name in board["metric"].unique() if name.startswith("ndcg"))
    table = Table(title=f"Leaderboard: {ndcg} on the test cut, 95% intervals over shoppers")
    table.add_column("model", no_wrap=True)
    for name in ("all", "repeat", "novel", "coverage", "popularity bias", "seconds"):
        table.add_column(name, justify="right", no_wrap=True)
    cell = board.set_index(["model", "view", "metric"])
    for model in board[(board["view"] == "all") & (board["metric"] == ndcg)]["model"]:
        views = []
        for view in ("all", "repeat", "novel"):
            row = cell.loc[(model, view, ndcg)] if (model, view, ndcg) in cell.index else None
            views.append("-" if row is None else with_interval(row))
        whole = [
            cell.loc[(model, "all", name), "value"] for name in ("coverage", "popularity_bias")
        ]
        seconds = cell.loc[(model, "all", ndcg), "seconds"]
        chosen = bool(cell.loc[(model, "all", ndcg), "is_champion"])
        table.add_row(
            f"{model} *" if chosen else model, *views, *(f"{v:.3f}" for v in whole),
            f"{seconds:.0f}", style="bold" if chosen else None,
        )  # fmt: skip
    Console(width=150).print(table)
    print("* the fusion chosen on the validation cut", flush=True)


def with_interval(row: "pd.Series[float]") -> str:
    """Return e.g. 0.441 [0.428, 0.454]."""
    return f"{row['value']:.3f} [{row['ci_low']:.3f}, {row['ci_high']:.3f}]"
