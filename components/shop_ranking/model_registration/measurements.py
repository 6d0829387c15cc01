"""What evaluation measured, as the gate reads it."""

import json
from pathlib import Path
from typing import cast

import pandas as pd

from components.platform.application import Run
from components.platform.errors import DataError
from components.platform.files import read_table
from components.platform.gate.measured import Comparisons, Measured
from components.shop_ranking.model_registration.packages import chosen_method
from components.shop_ranking.params import Params

KEYS = ["model", "view", "slice", "user_id"]
POINTS = ["coverage", "popularity_bias"]
REMEDY = "run the stage evaluation again"


def read_comparisons(run: Run) -> Comparisons:
    """Return what evaluation measured of the chosen fused model, every baseline, the champion.

    A baseline is any model that neither fusion_training nor champion_ranking ranked with.
    Shoppers are named by pseudonym, not row number: a later preparation may number them anew.
    Measures are called metric/view/slice, and coverage and popularity_bias of the whole.

    Raises:
        DataError: a file of evaluation or fusion is missing or lacks what is read here.

    """
    paths = run.paths
    table = read_table(paths["evaluation"] / "per_user.parquet")
    ids = read_table(paths["prepared"] / "users.parquet", ["user_id"])["user_id"]
    rows = table.append_column("user_id", ids.take(table["user_index"])).to_pandas()
    rows = rows.drop(columns="user_index").set_index(KEYS).sort_index()
    points = _points(paths["leaderboard"])
    models = set(rows.index.unique("model"))
    if lacking := sorted(models - set(points.index)):
        raise DataError(f"coverage and popularity bias of {lacking[0]}", "none", REMEDY)

    def measured(model: str, name: str = "") -> Measured:
        return Measured(
            name or model,
            _by_shopper(rows.xs(model, level="model")),
            {point: float(points.loc[model, point]) for point in POINTS},
        )

    chosen = chosen_method(paths["fused"])
    own = {path.stem for path in (paths["fused"] / "rankings").glob("*/*.npz")}
    served = {path.stem for path in (paths["champion"] / "rankings").glob("*/*.npz")}
    if chosen not in models:
        raise DataError(f"measurements of {chosen}", f"only {sorted(models)}", REMEDY)
    if not models - own - served:
        raise DataError("measurements of a baseline", f"only {sorted(models)}", REMEDY)
    ranked_by_champion = sorted(served & models)
    challenger = measured(chosen)
    return Comparisons(
        challenger=challenger,
        baselines=tuple(measured(model) for model in sorted(models - own - served)),
        champion=measured(ranked_by_champion[0], _version(paths["champion"]))
        if ranked_by_champion
        else None,
        never_comparable=("dataset",),
        comparable=("test_rows", "measured_at"),
        requests=_requests(rows, cast(Params, run.params)),
    )


def _by_shopper(rows: pd.DataFrame) -> "dict[str, pd.Series[float]]":
    """Return a series of shoppers' values a measure, from rows by (view, slice, user_id)."""
    return {
        f"{metric}/{view}/{part}": values[metric].droplevel(["view", "slice"])
        for (view, part), values in rows.groupby(level=["view", "slice"])
        for metric in rows.columns
    }


def _requests(rows: pd.DataFrame, params: Params) -> list[object]:
    """Return home pages of some of the tested shoppers: what the gate times."""
    from components.shop_ranking.serving.api import RecommendRequest

    users = rows.index.unique("user_id").to_series()
    count = min(params.evaluation.timed_requests, len(users))
    sample = users.sample(count, random_state=params.seed)
    return [RecommendRequest(user_id=user) for user in sample]


def _version(champion: Path) -> str:
    """Return which version ranked, e.g. fused-ranker/3."""
    try:
        return str(json.loads((champion / "champion.json").read_text())["version"])
    except (OSError, KeyError, ValueError) as error:
        remedy = "run the stage champion_ranking again"
        raise DataError(f"the version in {champion}", repr(error), remedy) from error


def _points(leaderboard: Path) -> pd.DataFrame:
    """Return coverage and popularity bias of the view and slice `all`, a row a model."""
    try:
        rows = pd.read_csv(leaderboard)
        rows = rows[(rows["view"] == "all") & (rows["slice"] == "all")]
        whole = rows.pivot(index="model", columns="metric", values="value")
        return whole[POINTS].dropna()
    except FileNotFoundError as error:
        raise DataError(f"the file {leaderboard}", "none", REMEDY) from error
    except KeyError as error:
        raise DataError(
            f"coverage and popularity_bias in {leaderboard}", str(error), REMEDY
        ) from error
