"""What the champion makes of a week: vectors of what was bought, scores, and ranking quality."""

import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from components.platform import tracking
from components.platform.drift.statistics import Histogram, Means, Quality, Statistic
from components.platform.files import atomic_file, keep_latest, scratch_folder
from components.platform.metrics.ranking import ndcg
from components.platform.params.loop import DriftParams
from components.platform.progress import say, track
from components.platform.registered_run import KEPT
from components.shop_ranking.drift.rows import Rows
from components.shop_ranking.engine.feature_states import TOWERS
from components.shop_ranking.engine.ranker import FusedRanker

K = 10
BATCH = 256  # shoppers. Capacity only: changes no result.


@dataclass(frozen=True)
class Champion:
    """The champion's item vectors, and what it would show each shopper it knows."""

    name: str  # fused-ranker/3
    day: date  # it was trained on what was before
    items: pd.Index  # item ids, I
    vectors: dict[str, np.ndarray]  # tower -> (I, D), NaN where missing
    users: pd.Index  # U
    shown_UK: np.ndarray  # item rows, -1 pads
    scores_UK: np.ndarray


def read_champion(version: tracking.Version, cache: Path) -> Champion:
    """Rank for every shopper the version knows; the rankings are kept in `cache`.

    Raises:
        RegistryError: the registry cannot hand the version out.

    """
    with scratch_folder() as scratch:
        package = tracking.download(f"models:/{version.name}/{version.version}", scratch)
        return _read_package(version, package, cache)


def _read_package(version: tracking.Version, folder: Path, cache: Path) -> Champion:
    ranker = FusedRanker.load(folder)
    items = pd.Index(pd.read_parquet(folder / "ids" / "items.parquet")["item_id"])
    users = pd.Index(pd.read_parquet(folder / "ids" / "users.parquet")["user_id"])
    rows = ranker.shoppers.users
    kept = cache / f"{version.tags['content']}.npz"
    if not kept.is_file():
        parts = [
            ranker.rank(ranker.known(rows[at : at + BATCH]), K)
            for at in track(range(0, len(rows), BATCH), "champion ranks")
        ]
        with atomic_file(kept) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(
                stream,
                shown=np.concatenate([shown for shown, _ in parts]),
                scores=np.concatenate([scores for _, scores in parts]),
            )
    os.utime(kept)
    if removed := keep_latest(cache.glob("*.npz"), KEPT):
        say(f"removed rankings of earlier champions, from {cache}: {', '.join(removed)}")
    with np.load(kept) as rankings:
        shown_UK, scores_UK = rankings["shown"], rankings["scores"]
    return Champion(
        name=f"{version.name}/{version.version}",
        day=version.trained_until,
        items=items,
        vectors={tower: np.asarray(ranker.items.vectors[tower], np.float64) for tower in TOWERS},
        users=users[rows],
        shown_UK=shown_UK,
        scores_UK=scores_UK,
    )


def champion_statistics(rows: Rows, champion: Champion, params: DriftParams) -> list[Statistic]:
    """Return embedding drift by tower, drift of scores, and NDCG@10 in weeks it has not seen."""
    ids, counts = rows.matrix(
        "select week, item_id as label, count(*) as n from lines group by all"
    )
    at = champion.items.get_indexer(pd.Index(ids))
    counts_WI = counts[:, at >= 0]
    statistics: list[Statistic] = [
        _bought_vectors(f"{tower} vectors", counts_WI, champion.vectors[tower][at[at >= 0]])
        for tower in TOWERS
    ]
    shoppers, visits = rows.matrix(
        """select week, user_id as label, count(distinct order_id) as n from lines group by all"""
    )
    known = champion.users.get_indexer(pd.Index(shoppers))
    active = visits[:, known >= 0]
    scores_UK = champion.scores_UK[known[known >= 0]]
    if active.nnz:
        statistics.append(_scores("score", active, scores_UK, params))
    quality = _ranking_quality(rows, champion)
    if any(len(values) for values in quality.ndcg_W):
        statistics.append(quality)
    say(f"{champion.name} knows {int((at >= 0).sum())} of {len(at)} items that were bought")
    return statistics


def _bought_vectors(name: str, counts_WI: csr_array, vectors_ID: np.ndarray) -> Means:
    present = ~np.isnan(vectors_ID).any(axis=1)
    counts, vectors = counts_WI[:, present], vectors_ID[present]
    return Means(
        name,
        "embedding",
        sums_WD=counts @ vectors,
        squares_W=counts @ (vectors**2).sum(axis=1),
        rows=np.asarray(counts.sum(axis=1)).ravel(),
    )


def _scores(
    name: str, visits_WU: csr_array, scores_UK: np.ndarray, params: DriftParams
) -> Histogram:
    """Scores of the ten items shown at each visit, in bins of equal shares of all shoppers."""
    quantiles = np.linspace(0, 1, params.score_bins + 1)
    edges = np.unique(np.quantile(scores_UK[np.isfinite(scores_UK)], quantiles))
    bin_UK = np.clip(np.searchsorted(edges, scores_UK, "right") - 1, 0, len(edges) - 2)
    shopper, place = np.nonzero(np.isfinite(scores_UK))
    cells = (shopper, bin_UK[shopper, place])
    per_UB = csr_array((np.ones(len(shopper)), cells), shape=(len(scores_UK), len(edges) - 1))
    labels = tuple(f"from {edge:.3f}" for edge in edges[:-1])
    counts = (visits_WU @ per_UB).toarray()
    return Histogram(name, "prediction", labels, counts, params.rare_share)


def _ranking_quality(rows: Rows, champion: Champion) -> Quality:
    """NDCG@10 of what the champion shows against what the shopper bought in the week.

    Only in weeks that begin after the champion's day: earlier ones are its training data.
    """
    rows.con.register("items_known", pd.DataFrame({"item_id": champion.items}))
    bought = rows.con.execute(
        """select distinct number, user_id, item_id from lines join weeks using (week)
        semi join items_known using (item_id) where lines.week >= ?""",
        [champion.day],
    ).df()
    user = champion.users.get_indexer(bought["user_id"])
    bought = bought.assign(user=user, item=champion.items.get_indexer(bought["item_id"]))
    bought = bought[bought["user"] >= 0]
    return Quality(
        "ndcg@10",
        "quality",
        tuple(
            ndcg_of_shown(champion.shown_UK, part["user"].to_numpy(), part["item"].to_numpy())
            for number in range(len(rows.weeks))
            for part in [bought[bought["number"] == number]]
        ),
    )


def ndcg_of_shown(shown_UK: np.ndarray, user_T: np.ndarray, item_T: np.ndarray) -> np.ndarray:
    """NDCG@10 of every shopper who wanted anything; T wanted (shopper, item) pairs."""
    users, row_T = np.unique(user_T, return_inverse=True)
    shown_NK = shown_UK[users].astype(np.int64)
    width = 1 + max(int(shown_NK.max(initial=0)), int(item_T.max(initial=0)))
    place_N1 = np.arange(len(users))[:, None] * width
    hits = np.isin(place_N1 + shown_NK, row_T * width + item_T) & (shown_NK >= 0)
    return ndcg(hits, np.bincount(row_T, minlength=len(users)))


def online_statistics(rows: Rows, params: DriftParams) -> list[Statistic]:
    """Return drift of the scores that were shown, and NDCG@10 of the rows as they were shown.

    Wanted is what was clicked or bought. Nothing where nothing was fed back.
    """
    shown = rows.con.execute(
        """select number, impression_id, position, score, clicked or purchased as wanted
        from labelled join weeks using (week) order by number, impression_id, position"""
    ).df()
    if shown.empty:
        return []
    weeks = len(rows.weeks)
    scored = shown[np.isfinite(shown["score"])]
    statistics: list[Statistic] = []
    if len(scored):
        first = scored.loc[scored["number"] == scored["number"].min(), "score"]
        edges = np.unique(np.quantile(first, np.linspace(0, 1, params.score_bins + 1)))[1:-1]
        cells = (scored["number"].to_numpy(), np.searchsorted(edges, scored["score"], "right"))
        counts = csr_array((np.ones(len(scored)), cells), shape=(weeks, len(edges) + 1))
        labels = tuple(f"bin {number}" for number in range(len(edges) + 1))
        statistics.append(
            Histogram("shown score", "prediction", labels, counts.toarray(), params.rare_share)
        )
    top = shown[(shown["position"] >= 1) & (shown["position"] <= K)]
    answer_T = top.groupby(["number", "impression_id"], sort=True).ngroup().to_numpy()
    answers = int(answer_T.max(initial=-1)) + 1
    hit_AK, number_A = np.zeros((answers, K)), np.zeros(answers, int)
    np.add.at(hit_AK, (answer_T, top["position"].to_numpy(int) - 1), top["wanted"].to_numpy(float))
    number_A[answer_T] = top["number"]
    values_A = ndcg(hit_AK, hit_AK.sum(axis=1).astype(int))
    asked_A = ~np.isnan(values_A)
    by_week = tuple(values_A[asked_A & (number_A == week)] for week in range(weeks))
    statistics.append(Quality("shown ndcg@10", "quality", by_week))
    return statistics
