"""Fusion training: the towers become one ranker, by several methods that are compared."""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from components.platform import tracking
from components.platform.errors import DataError
from components.platform.files import atomic_folder, write_json
from components.platform.progress import part, say
from components.shop_ranking.engine.candidate_sets import CandidateSet
from components.shop_ranking.engine.engine import Engine
from components.shop_ranking.engine.feature_states import ItemState, ShopperState, without
from components.shop_ranking.engine.fused_rankings import fused_rankings
from components.shop_ranking.engine.fusion import METHODS, Fusion
from components.shop_ranking.engine.fusion.lists import mean_ndcg
from components.shop_ranking.engine.rankings import Candidates, read_candidates
from components.shop_ranking.engine.reading import read_cuts, read_states
from components.shop_ranking.engine.trained_with import TrainedWith
from components.shop_ranking.fusion_training.fitting import Fitted, fit_all
from components.shop_ranking.fusion_training.labels import label, read_targets, recall_by_source
from components.shop_ranking.fusion_training.ranking_files import (
    ranking_file,
    write_tower_rankings,
)
from components.shop_ranking.params import Params


@dataclass(frozen=True)
class CutData:
    """One cut: who is evaluated, what is known of them and of items, and what they wanted."""

    name: str
    role: str
    items: ItemState
    shoppers: ShopperState  # everybody with history
    evaluated: Candidates  # who is ranked for, and which items
    candidates: CandidateSet  # of the evaluated, labelled


def run(
    params: Params,
    *,
    prepared: Path,
    baselines: Path,
    fused: Path,
    methods: Collection[str] = tuple(METHODS),
    **towers: Path,
) -> None:
    """Write `fused`: a folder a method of fusion, rankings, state for serving and chosen.json.

    `towers` are the folders of TOWERS by name.

    `methods` names those to fit, for a comparison of seeds that needs one of them;
    params.fusion.only names one for a refresh of what is served.
    Each method is fitted on the fit cuts and chosen on validation. For the test cut it is fitted
    again with validation added, its choices unchanged: validation targets end before the test cut.
    The state is that of the last cut: of the test cut, or of the final one where there is one.

    Raises:
        DataError: there is no fit cut, or a table is absent.
        ModelError: a tower or the EASE weights are absent or do not fit.

    """
    cuts = read_cuts(prepared)
    methods = [params.fusion.only] if params.fusion.only else methods
    _require_fit_cut(cuts)
    with tracking.stage_run("fusion_training", params, "fusion"), atomic_folder(fused) as folder:
        data = [
            read_cut(params, prepared, towers, baselines, cut=cut)
            for cut in cuts
            if cut["role"] != "final"
        ]
        fit = [cut.candidates for cut in data if cut.role == "fit"]
        validation = next(cut for cut in data if cut.role == "validation")
        test = next(cut for cut in data if cut.role == "test")
        for cut in (validation, test):
            with part(f"rankings of the towers at {cut.name}"):
                write_tower_rankings(cut.items, cut.shoppers, cut.evaluated, cut.name, folder)
        reached = {}
        for name, fitted in fit_all(
            methods, lambda name: _fit(name, params, fit, validation, test, folder)
        ):
            reached[name] = fitted.reached
            say(f"{name}: validation {fitted.reached}, {fitted.seconds:.1f} s")
            tracking.log_metrics(
                {f"{name}.validation.{view}": value for view, value in fitted.reached.items()}
                | {f"{name}.seconds": fitted.seconds}
            )
            tracking.log_artifact(folder / name / "weights.csv", f"weights/{name}")
        last = cuts[-1]
        known = {cut.name: (cut.items, cut.shoppers) for cut in data}
        state = known.get(last["name"]) or read_states(
            prepared, last["name"], towers, baselines, last["target_events"]
        )
        _write_state(*state, folder)
        write_json(_choice(params, reached), folder / "chosen.json")
        write_json(recall_by_source(validation.candidates), folder / "candidate_recall.json")
        tracking.log_artifact(folder / "chosen.json")
        tracking.log_artifact(folder / "candidate_recall.json")


def _fit(
    name: str,
    params: Params,
    fit: list[CandidateSet],
    validation: CutData,
    test: CutData,
    folder: Path,
) -> Fitted:
    """Fit a method, write its rankings of both cuts, and save it as fitted for the test cut."""
    started = time.perf_counter()
    fusion = METHODS[name](params.seed, params.fusion)
    fusion.fit(fit, validation.candidates)
    reached = _rank(fusion, validation, folder, started)
    with part(f"{name} for the test cut"):
        fusion.refit([*fit, validation.candidates])
    _rank(fusion, test, folder, started)
    fusion.save(folder / name)
    _write_weights(fusion, folder / name / "weights.csv")
    return Fitted(reached, time.perf_counter() - started)


def _rank(fusion: Fusion, cut: CutData, folder: Path, started: float) -> dict[str, float]:
    """Write a method's ranking of a cut; return NDCG@10 of both views."""
    scores = fusion.score(cut.candidates)
    seconds = time.perf_counter() - started
    ranked = fused_rankings(scores, cut.candidates, cut.evaluated, seconds=seconds)
    ranked.save(ranking_file(folder, cut.name, fusion.name))
    return {
        f"ndcg_{view}": round(mean_ndcg(cut.candidates, scores, view), 5)
        for view in ("all", "novel")
    }


def read_cut(
    params: Params,
    prepared: Path,
    towers: Mapping[str, Path],
    baselines: Path,
    *,
    cut: Mapping[str, Any],
    leave_out: frozenset[str] = frozenset(),
) -> CutData:
    """Read one cut and make its labelled candidates.

    `leave_out` names towers that are treated as missing, for an ablation.
    """
    name = cut["name"]
    items, shoppers = read_states(prepared, name, towers, baselines, cut["target_events"])
    if leave_out:
        items = replace(items, vectors=without(items.vectors, leave_out))
        shoppers = replace(shoppers, vectors=without(shoppers.vectors, leave_out))
    targets = read_targets(prepared, name)
    evaluated = shoppers.take(np.flatnonzero(np.isin(shoppers.users, targets.users)))
    engine = Engine(items, TrainedWith.of(params))
    with part(f"candidates of {name}"):
        candidates = engine.candidates(evaluated)
    say(f"cut {name}: {len(evaluated)} shoppers, {len(candidates)} candidates")
    ranked_for = read_candidates(prepared, name)
    labelled = label(candidates, targets)
    return CutData(name, cut["role"], items, shoppers, ranked_for, labelled)


def _require_fit_cut(cuts: list[dict[str, Any]]) -> None:
    roles = [cut["role"] for cut in cuts]
    for role in ("fit", "validation", "test"):
        if role not in roles:
            raise DataError(
                f"a cut with the role {role}",
                f"roles {roles}",
                "set preparation.fit_cuts to 1 or more and prepare the data again",
            )
    if any("target_events" not in cut for cut in cuts):
        raise DataError("target_events of every cut in cuts.json", "none", "run data_preparation")


def _choice(params: Params, reached: Mapping[str, Mapping[str, float]]) -> dict[str, object]:
    best = max(reached, key=lambda name: sum(reached[name].values()))
    method, reason = best, "highest NDCG@10 on validation, view all plus view novel"
    if params.fusion.method != "best":
        method, reason = params.fusion.method, "fusion.method in params.yaml"
    if params.fusion.only:
        method, reason = params.fusion.only, "fusion.only in params.yaml"
    return {
        "method": method,
        "reason": reason,
        "validation": reached,
        **TrainedWith.of(params).values(),
    }


def _write_state(items: ItemState, shoppers: ShopperState, folder: Path) -> None:
    items.save(folder / "state" / "items")
    shoppers.save(folder / "state" / "shoppers")


def _write_weights(fusion: Fusion, path: Path) -> None:
    rows = sorted(fusion.weights(), key=lambda row: (row["segment"], -row["weight"]))
    pyarrow.csv.write_csv(pa.Table.from_pylist(rows), path)
