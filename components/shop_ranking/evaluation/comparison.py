"""From every shopper's metrics to the leaderboard and the paired differences."""

import numpy as np
import pandas as pd

from components.platform.errors import DataError
from components.platform.metrics.intervals import bootstrap_means
from components.platform.metrics.ranking import METRICS, coverage, popularity_bias, shopper_metrics
from components.shop_ranking.engine.rankings import Rankings
from components.shop_ranking.evaluation.views import TestRows
from components.shop_ranking.params import EvaluationParams

# Baselines that every model is compared with, pair by pair, beside the chosen fusion.
REFERENCES = ("lambdamart", "ease")
COLUMNS = [
    "view", "slice", "model", "metric", "value", "ci_low", "ci_high", "seconds", "is_champion",
]  # fmt: skip


def measure(name: str, ranking: Rankings, rows: TestRows, k: int) -> pd.DataFrame:
    """Return one row a (view, slice, shopper): user_index, model, view, slice and METRICS.

    Raises:
        DataError: the ranking was made for other shoppers than the test rows.

    """
    if not np.array_equal(ranking.users, rows.users):
        raise DataError(
            f"{len(rows.users)} evaluated shoppers in the ranking of {name}",
            f"{len(ranking.users)}, or others",
            "rank again: the prepared data has changed",
        )
    parts = []
    for view, wanted_NI in rows.wanted.items():
        ranked_NK = (ranking.novel if view == "novel" else ranking.all)[:, :k]
        for part, (kept_N, kept_I) in rows.slices.items():
            values = shopper_metrics(ranked_NK, wanted_NI & kept_I)
            asked = kept_N & ~np.isnan(values["ndcg"])
            if not asked.any():
                continue
            columns = {metric: value[asked] for metric, value in values.items()}
            user = rows.users[asked]
            parts.append(pd.DataFrame({"user_index": user, "view": view, "slice": part} | columns))
    return pd.concat(parts, ignore_index=True).assign(model=name)


def summarise(
    shoppers: pd.DataFrame,
    rankings: dict[str, Rankings],
    rows: TestRows,
    *,
    params: EvaluationParams,
    champion: str,
    seed: int,
) -> pd.DataFrame:
    """Return the leaderboard: COLUMNS, one row a (view, slice, model, metric)."""
    parts = []
    for (view, part), group in shoppers.groupby(["view", "slice"], sort=False):
        wide = group.pivot(index="user_index", columns="model", values=list(METRICS))
        low, high, _ = bootstrap_means(wide.to_numpy(), params.bootstrap_samples, seed)
        means = pd.DataFrame({"value": wide.mean(), "ci_low": low, "ci_high": high})
        means = means.rename_axis(["metric", "model"]).reset_index()
        means["metric"] += f"@{params.k}"
        parts.append(means.assign(view=view, slice=part))
    parts.append(_catalogue(rankings, rows, params, seed))
    table = pd.concat(parts, ignore_index=True)
    table["seconds"] = table["model"].map(
        {name: ranking.seconds for name, ranking in rankings.items()}
    )
    table["is_champion"] = table["model"] == champion
    order = {"all": 0, "repeat": 1, "novel": 2}
    best = table[table["metric"] == f"ndcg@{params.k}"].set_index(["view", "slice", "model"])
    rank = table.set_index(["view", "slice", "model"]).index.map(best["value"])
    table = table.assign(_view=table["view"].map(order), _best=-np.asarray(rank, float))
    table = table.sort_values(["_view", "slice", "_best", "model", "metric"], kind="stable")
    return table[COLUMNS].reset_index(drop=True)


def _catalogue(
    rankings: dict[str, Rankings], rows: TestRows, params: EvaluationParams, seed: int
) -> pd.DataFrame:
    """Return coverage and popularity bias of the lists; coverage has no interval over shoppers."""
    measured: list[dict[str, object]] = []
    for name, ranking in rankings.items():
        for view in ("all", "novel"):
            ranked = (ranking.novel if view == "novel" else ranking.all)[:, : params.k]
            bias = popularity_bias(ranked, rows.popularity)
            low, high, _ = bootstrap_means(bias[:, None], params.bootstrap_samples, seed)
            shared = {"view": view, "slice": "all", "model": name}
            measured.append(
                shared | {"metric": "coverage", "value": coverage(ranked, rows.eligible)}
            )
            measured.append(
                shared
                | {"metric": "popularity_bias", "value": bias.mean()}
                | {"ci_low": low[0], "ci_high": high[0]}
            )
    return pd.DataFrame(measured)


def compare(
    shoppers: pd.DataFrame, params: EvaluationParams, champion: str, seed: int
) -> pd.DataFrame:
    """Return paired differences of every model to the references and the champion, slice `all`.

    Columns: view, slice, metric, model, other, difference, ci_low, ci_high, p.
    """
    parts = []
    whole = shoppers[shoppers["slice"] == "all"]
    for (view, part), group in whole.groupby(["view", "slice"], sort=False):
        for metric in ("ndcg", "recall"):
            wide = group.pivot(index="user_index", columns="model", values=metric)
            for other in [name for name in (*REFERENCES, champion) if name in wide]:
                models = wide.drop(columns=other)
                difference = models.to_numpy() - wide[[other]].to_numpy()
                low, high, p = bootstrap_means(difference, params.bootstrap_samples, seed)
                columns = {"model": models.columns, "other": other}
                values = {"difference": difference.mean(axis=0), "ci_low": low, "ci_high": high}
                named = {"view": view, "slice": part, "metric": f"{metric}@{params.k}"}
                parts.append(pd.DataFrame(columns | values | {"p": p}).assign(**named))
    table = pd.concat(parts, ignore_index=True)
    first = ["view", "slice", "metric", "model", "other"]
    return table[[*first, "difference", "ci_low", "ci_high", "p"]]
