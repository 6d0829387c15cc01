"""How well the tower alone ranks at the validation cut."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from components.platform.files import read_table
from components.platform.metrics.ranking import hits, ndcg
from components.shop_ranking.engine.rankings import read_candidates, top_k

K = 10  # the metric's name says it; no vector depends on it
BATCH = 256  # shoppers. Capacity only: changes no result.
Floats = npt.NDArray[np.float32]


def ndcg_at_10(
    prepared: Path, cut: str, vectors_UD: Floats, vectors_ID: Floats
) -> dict[str, float]:
    """Mean NDCG@10 over shoppers on all targets, and on those never bought before.

    The novel view takes earlier purchases out of the ranking. A view nobody is in is left out.
    """
    candidates = read_candidates(prepared, cut)
    table = read_table(prepared / "cuts" / cut / "targets.parquet")
    user, item, repeat = (
        table[name].to_numpy() for name in ("user_index", "item_index", "is_repeat")
    )
    shape = (len(vectors_UD), len(vectors_ID))
    views = {"all": np.ones(len(user), bool), "novel": ~repeat}
    wanted = {
        view: csr_array((np.ones(kept.sum(), np.float32), (user[kept], item[kept])), shape=shape)
        for view, kept in views.items()
    }
    values: dict[str, list[npt.NDArray[np.float64]]] = {view: [] for view in views}
    items_ID = np.nan_to_num(vectors_ID)
    blank_I = np.isnan(vectors_ID[:, 0])
    for begin in range(0, len(candidates.users), BATCH):
        users = candidates.users[begin : begin + BATCH]
        scores_BI = vectors_UD[users] @ items_ID.T
        scores_BI[:, blank_I] = -np.inf
        values["all"].append(_ndcg(scores_BI, wanted["all"][users], candidates.order))
        rows, columns = candidates.bought[users].nonzero()
        scores_BI[rows, columns] = -np.inf
        values["novel"].append(_ndcg(scores_BI, wanted["novel"][users], candidates.order))
    values_of = {view: np.concatenate(parts) for view, parts in values.items() if parts}
    return {
        f"ndcg_at_10_{view}": round(float(np.nanmean(values_U)), 5)
        for view, values_U in values_of.items()
        if np.isfinite(values_U).any()
    }


def _ndcg(
    scores_BI: Floats, wanted_BI: csr_array, order: npt.NDArray[np.int32]
) -> npt.NDArray[np.float64]:
    wanted = wanted_BI.toarray() > 0
    return ndcg(hits(top_k(scores_BI, order, K), wanted), wanted.sum(axis=1))
