"""Evaluation: every model's ranking file against the test targets; knows no model."""

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa

from components.platform import tracking
from components.platform.errors import DataError
from components.platform.files import atomic_file, atomic_folder, write_json, write_table
from components.shop_ranking.engine.rankings import LENGTH, Rankings
from components.shop_ranking.evaluation.comparison import compare, measure, summarise
from components.shop_ranking.evaluation.leaderboard import print_leaderboard
from components.shop_ranking.evaluation.page import draw_leaderboard, leaderboard_page
from components.shop_ranking.evaluation.views import read_test_rows
from components.shop_ranking.params import Params

TEST = "test"


def run(
    params: Params,
    *,
    prepared: Path,
    baselines: Path,
    fused: Path,
    champion: Path,
    reports: Path,
    leaderboard: Path,
    metrics: Path,
) -> None:
    """Write the leaderboard, its page, paired differences and every shopper's metrics.

    Raises:
        DataError: a ranking file is missing, was made for other shoppers, or is too short for k.

    """
    wanted = params.evaluation
    if wanted.k > LENGTH:
        raise DataError(f"evaluation.k of at most {LENGTH}", f"{wanted.k}", "choose a smaller k")
    chosen = _chosen(fused)
    rows = read_test_rows(prepared, TEST, wanted)
    rankings = _rankings(baselines, "baseline_training") | _rankings(fused, "fusion_training")
    if (champion / "rankings").is_dir():  # of the version in service, where it ranked these rows
        rankings |= _rankings(champion, "champion_ranking")
    shoppers = pd.concat(
        [measure(name, ranking, rows, wanted.k) for name, ranking in rankings.items()],
        ignore_index=True,
    )
    table = summarise(shoppers, rankings, rows, params=wanted, champion=chosen, seed=params.seed)
    paired = compare(shoppers, wanted, chosen, params.seed)
    values = _flat(table)
    with (  # all of one evaluation: nothing is replaced before everything is written
        atomic_file(leaderboard) as board,
        atomic_file(metrics) as flat,
        atomic_folder(reports) as folder,
    ):
        write_table(
            pa.Table.from_pandas(shoppers, preserve_index=False), folder / "per_user.parquet"
        )
        paired.to_csv(folder / "paired.csv", index=False, float_format="%.6f")
        (folder / "leaderboard.html").write_text(leaderboard_page(table, paired, params.data))
        draw_leaderboard(table, folder / "leaderboard.png")
        table.to_csv(board, index=False, float_format="%.6f")
        write_json(values, flat)
    with tracking.stage_run("evaluation", params, "evaluation"):
        tracking.log_metrics(values)
        tracking.log_artifact(reports)
        tracking.log_artifact(leaderboard)
    print_leaderboard(leaderboard)


def _chosen(fused: Path) -> str:
    """Return the fusion that the platform would register: the one chosen on validation."""
    try:
        return str(json.loads((fused / "chosen.json").read_text())["method"])
    except (FileNotFoundError, KeyError, ValueError) as error:
        raise DataError(
            f"the chosen method in {fused / 'chosen.json'}", repr(error), "run fusion_training"
        ) from error


def _rankings(folder: Path, stage: str) -> dict[str, Rankings]:
    files = sorted((folder / "rankings" / TEST).glob("*.npz"))
    if not files:
        raise DataError(
            f"ranking files in {folder / 'rankings' / TEST}", "none", f"run the stage {stage}"
        )
    return {file.stem: Rankings.load(file) for file in files}


def _flat(table: pd.DataFrame) -> dict[str, float]:
    """Name -> value of the slice `all`, e.g. all/stacking/ndcg_10, as DVC and MLflow show them."""
    whole = table[table["slice"] == "all"]
    names = whole["view"] + "/" + whole["model"] + "/" + whole["metric"].str.replace("@", "_")
    return dict(zip(names, whole["value"].astype(float).round(6), strict=True))
