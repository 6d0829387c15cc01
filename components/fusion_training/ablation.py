"""What each tower and each group of features gives: the fusion fitted without it."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from components.errors import ModelError
from components.fusion_training.component import measure, read_cut
from components.models.fusion import METHODS
from components.params import Params
from components.ranking.candidate_sets import CandidateSet
from components.ranking.feature_names import FEATURE_GROUPS, FEATURES
from components.ranking.reading import read_cuts
from components.ranking.states import TOWERS


def ablate(
    params: Params, prepared: Path, towers: Mapping[str, Path], baselines: Path, method: str
) -> list[dict[str, float | str]]:
    """Fit `method` on the fit cuts with everything, then without each part in turn.

    Returns rows of left_out, ndcg_all, ndcg_novel (validation) and seconds. A tower left out is
    missing for candidates, signals and features alike; a group of features is missing as features.

    Raises:
        ModelError: no such method.

    """
    if method not in METHODS:
        raise ModelError(f"one of {', '.join(METHODS)}", repr(method), "name one of them")
    groups = [name for name in FEATURE_GROUPS if name not in TOWERS]
    out: list[dict[str, float | str]] = []
    for left_out in (frozenset(), *(frozenset({tower}) for tower in TOWERS), frozenset(TOWERS)):
        sets = _read(params, prepared, towers, baselines, left_out)
        out.append(_fit(params, method, sets, " and ".join(sorted(left_out)) or "nothing"))
        if not left_out:
            for group in groups:
                kept = [without_features(one, group) for one in sets]
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


def _fit(
    params: Params, method: str, sets: list[CandidateSet], left_out: str
) -> dict[str, float | str]:
    started = time.perf_counter()
    fusion = METHODS[method](params.seed)
    fusion.fit(sets[:-1], sets[-1])
    return {
        "left_out": left_out,
        **measure(fusion, sets[-1]),
        "seconds": round(time.perf_counter() - started, 1),
    }
