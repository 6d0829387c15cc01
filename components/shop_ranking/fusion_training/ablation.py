"""What each tower and each group of features gives: the fusion fitted without it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from components.platform.errors import ModelError
from components.shop_ranking.engine.candidate_sets import CandidateSet
from components.shop_ranking.engine.feature_names import FEATURE_GROUPS, FEATURES
from components.shop_ranking.engine.feature_states import TOWERS
from components.shop_ranking.engine.fusion import METHODS
from components.shop_ranking.engine.fusion.lists import VIEWS, shopper_ndcg
from components.shop_ranking.engine.reading import read_cuts
from components.shop_ranking.fusion_training.component import read_cut
from components.shop_ranking.params import Params


@dataclass(frozen=True)
class Ablated:
    """The fusion without a part, on the validation cut."""

    left_out: str
    ndcg: dict[str, npt.NDArray[np.float64]]  # view -> (B,) NDCG@10, NaN who wanted nothing in it
    seconds: float

    def mean(self, view: str) -> float:
        """Mean NDCG@10 over the shoppers who wanted anything in this view."""
        values = self.ndcg[view]
        return 0.0 if np.isnan(values).all() else float(np.nanmean(values))

    def gain_over(self, other: "Ablated", view: str) -> npt.NDArray[np.float64]:
        """Return each shopper's difference to the same shopper's NDCG@10 elsewhere."""
        difference = self.ndcg[view] - other.ndcg[view]
        return difference[~np.isnan(difference)]


def ablate(
    params: Params, prepared: Path, towers: Mapping[str, Path], baselines: Path, method: str
) -> list[Ablated]:
    """Fit `method` on the fit cuts with everything, then without each part in turn.

    The first left nothing out. A tower left out is
    missing for candidates, signals and features alike; a group of features is missing as features.

    Raises:
        ModelError: no such method.

    """
    if method not in METHODS:
        raise ModelError(f"one of {', '.join(METHODS)}", repr(method), "name one of them")
    groups = [name for name in FEATURE_GROUPS if name not in TOWERS]
    out: list[Ablated] = []
    for left_out in (frozenset(), *(frozenset({tower}) for tower in TOWERS), frozenset(TOWERS)):
        sets = _read(params, prepared, towers, baselines, left_out)
        out.append(_fit(params, method, sets, " and ".join(sorted(left_out)) or "nothing"))
        if not left_out:
            for group in groups:
                kept = [without_features(candidates, group) for candidates in sets]
                out.append(_fit(params, method, kept, f"features: {group}"))
    return out


def without_features(candidates: CandidateSet, group: str) -> CandidateSet:
    """Return the candidates with one of FEATURE_GROUPS missing."""
    features = candidates.features.copy()
    features[:, [list(FEATURES).index(name) for name in FEATURE_GROUPS[group]]] = np.nan
    return replace(candidates, features=features)


def _read(
    params: Params,
    prepared: Path,
    towers: Mapping[str, Path],
    baselines: Path,
    left_out: frozenset[str],
) -> list[CandidateSet]:
    """Return the sets of the fit cuts, then the validation cut's."""
    return [
        read_cut(params, prepared, towers, baselines, cut=cut, leave_out=left_out).candidates
        for cut in read_cuts(prepared)
        if cut["role"] not in ("test", "final")
    ]


def _fit(params: Params, method: str, sets: list[CandidateSet], left_out: str) -> Ablated:
    started = time.perf_counter()
    fusion = METHODS[method](params.seed, params.fusion)
    fusion.fit(sets[:-1], sets[-1])
    scores = fusion.score(sets[-1])
    ndcg = {view: shopper_ndcg(sets[-1], scores, view) for view in VIEWS}
    return Ablated(left_out, ndcg, time.perf_counter() - started)
