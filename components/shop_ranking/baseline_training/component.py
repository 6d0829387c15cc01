"""Baseline training: the simple methods every fused model has to beat.

Hyperparameters come from params and from cuts before the one that is ranked.
"""

import time
from pathlib import Path

import numpy as np
import scipy.sparse

from components.platform import tracking
from components.platform.files import atomic_folder
from components.platform.progress import part, say
from components.shop_ranking.baseline_training.collaborative import (
    Als,
    EaseBaseline,
    ItemKnn,
    ease_of,
)
from components.shop_ranking.baseline_training.counting import (
    DecayedFrequency,
    PersonalFrequency,
    Popularity,
)
from components.shop_ranking.baseline_training.interface import Baseline, CutData
from components.shop_ranking.baseline_training.lambdamart import LambdaMart
from components.shop_ranking.baseline_training.tifu_knn import TifuKnn
from components.shop_ranking.engine.rankings import rank
from components.shop_ranking.engine.reading import read_cuts
from components.shop_ranking.params import Params


def run(params: Params, prepared: Path, baselines: Path) -> None:
    """Write ranking files of the baselines for validation and test, EASE weights for every cut.

    Raises:
        DataError: the prepared data is missing, or has no cut before the validation cut.
        ModelError: EASE's exact solution does not fit in memory.

    """
    cuts = {
        cut["name"]: CutData(prepared, cut["name"], tuple(cut["target_events"]))
        for cut in read_cuts(prepared)
    }
    ranked = [cut["name"] for cut in read_cuts(prepared) if cut["role"] in ("validation", "test")]
    seconds: dict[str, float] = {}
    with (
        tracking.stage_run("baseline_training", params, "baselines"),
        atomic_folder(baselines) as folder,
    ):
        for name, data in cuts.items():
            started = time.perf_counter()
            with part(f"EASE before {name}"):
                weights = ease_of(data, params.baselines)
            (folder / name).mkdir()
            scipy.sparse.save_npz(
                folder / name / "ease_weights.npz",
                scipy.sparse.csr_matrix(weights.weights(params.baselines.ease_kept_weights)),
            )
            say(f"EASE weights before {name}: {time.perf_counter() - started:.1f} s")
        for baseline in every_baseline(params):
            for name in ranked:
                started = time.perf_counter()
                with part(f"{baseline.name} before {name}"):
                    score = baseline.fit(cuts, name)
                    fitted = time.perf_counter() - started
                    ranked_cut = rank(
                        score, cuts[name].candidates, f"{baseline.name} {name}", fitted
                    )
                ranked_cut.save(folder / "rankings" / name / f"{baseline.name}.npz")
                seconds[f"seconds/{baseline.name}/{name}"] = ranked_cut.seconds
        tracking.log_metrics(seconds | {"seconds": float(np.sum(list(seconds.values())))})


def every_baseline(params: Params) -> list[Baseline]:
    """Return the baselines of the leaderboard, params.baselines.ranked."""
    options, seed, k = params.baselines, params.seed, params.evaluation.k
    every: list[Baseline] = [
        Popularity(),
        PersonalFrequency(),
        DecayedFrequency(),
        TifuKnn(options),
        ItemKnn(options, seed, k),
        EaseBaseline(options, seed, k),
        Als(options, seed, k),
        LambdaMart(options, seed),
    ]
    return [baseline for baseline in every if baseline.name in options.ranked]
