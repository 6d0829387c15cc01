"""What evaluation measured, as the gate reads it, and what the registry keeps of a version."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pyarrow as pa

from components.platform.errors import DataError
from components.platform.files import read_table, write_json, write_table
from components.platform.packaging.packaging import chosen_method

KEYS = ["view", "slice", "user_id"]
REMEDY = "run the stage evaluation again"


@dataclass(frozen=True)
class Measured:
    """What is known of one model on the test rows."""

    model: str
    shoppers: pd.DataFrame  # index (view, slice, user_id), a column a metric, higher is better
    coverage: float  # share of the catalogue that is recommended to somebody
    popularity_bias: float  # lower is better
    latency_ms: float | None = None  # median of one request; None where nothing is packaged


@dataclass(frozen=True)
class Comparison:
    """What evaluation measured on this run's test rows."""

    chosen: Measured  # the fused model that is registered
    baselines: tuple[Measured, ...]
    champion: Measured | None  # by name and version, where it ranked these rows


def read_measured(
    evaluation: Path, leaderboard: Path, prepared: Path, fused: Path, champion: Path
) -> Comparison:
    """Return what evaluation measured of the chosen fused model, every baseline, the champion.

    A baseline is any model that neither fusion_training nor champion_ranking ranked with.
    Shoppers are named by pseudonym, not row number: a later preparation may number them anew.

    Raises:
        DataError: a file of evaluation or fusion is missing or lacks what is read here.

    """
    table = read_table(evaluation / "per_user.parquet")
    ids = read_table(prepared / "users.parquet", ["user_id"])["user_id"]
    rows = table.append_column("user_id", ids.take(table["user_index"])).to_pandas()
    rows = rows.drop(columns="user_index").set_index(["model", *KEYS]).sort_index()
    whole = _whole(leaderboard)
    models = set(rows.index.unique("model"))
    if lacking := sorted(models - set(whole.index)):
        raise DataError(f"coverage and popularity bias of {lacking[0]}", "none", REMEDY)

    def measured(model: str) -> Measured:
        shoppers = rows.xs(model, level="model")
        coverage, bias = whole.loc[model, ["coverage", "popularity_bias"]]
        return Measured(model, shoppers, float(coverage), float(bias))

    chosen = chosen_method(fused)
    own = {path.stem for path in (fused / "rankings").glob("*/*.npz")}
    served = {path.stem for path in (champion / "rankings").glob("*/*.npz")}
    if chosen not in models:
        raise DataError(f"measurements of {chosen}", f"only {sorted(models)}", REMEDY)
    if not models - own - served:
        raise DataError("measurements of a baseline", f"only {sorted(models)}", REMEDY)
    return Comparison(
        measured(chosen),
        tuple(measured(model) for model in sorted(models - own - served)),
        next(
            (replace(measured(model), model=_version(champion)) for model in served & models),
            None,
        ),
    )


def _version(champion: Path) -> str:
    """Return which version ranked, e.g. fused-ranker/3."""
    try:
        return str(json.loads((champion / "champion.json").read_text())["version"])
    except (OSError, KeyError, ValueError) as error:
        remedy = "run the stage champion_ranking again"
        raise DataError(f"the version in {champion}", repr(error), remedy) from error


def write_record(measured: Measured, folder: Path) -> None:
    """Keep a model's measurements, so that a later challenger is compared with them."""
    write_table(
        pa.Table.from_pandas(measured.shoppers.reset_index(), preserve_index=False),
        folder / "shoppers.parquet",
    )
    whole = {"coverage": measured.coverage, "popularity_bias": measured.popularity_bias}
    write_json(whole, folder / "whole.json")


def read_record(folder: Path, model: str) -> Measured:
    """Read what write_record kept."""
    shoppers = read_table(folder / "shoppers.parquet").to_pandas().set_index(KEYS)
    whole = json.loads((folder / "whole.json").read_text())
    return Measured(model, shoppers, **whole)


def _whole(leaderboard: Path) -> pd.DataFrame:
    """Return coverage and popularity bias of the view and slice `all`, a row a model."""
    try:
        rows = pd.read_csv(leaderboard)
        rows = rows[(rows["view"] == "all") & (rows["slice"] == "all")]
        whole = rows.pivot(index="model", columns="metric", values="value")
        return whole[["coverage", "popularity_bias"]].dropna()
    except FileNotFoundError as error:
        raise DataError(f"the file {leaderboard}", "none", REMEDY) from error
    except KeyError as error:
        raise DataError(
            f"coverage and popularity_bias in {leaderboard}", str(error), REMEDY
        ) from error
