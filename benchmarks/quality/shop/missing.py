"""Row 10: quality as pictures or texts go missing, with and without modality dropout.

Modality dropout (ModDrop, Neverova et al., TPAMI 2016) hides whole towers in training, so that the
fusion does not come to rely on one. Towers' vectors of a growing share of items are taken away at
the test cut; the fusion is not trained again.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from benchmarks.quality.report import Report, with_interval
from benchmarks.quality.rows import Task
from components.platform.progress import say
from components.shop_ranking import application as shop
from components.shop_ranking.engine.candidate_sets import CandidateSet
from components.shop_ranking.engine.feature_names import FEATURE_GROUPS, FEATURES
from components.shop_ranking.engine.fusion.gated_attention import GatedAttention
from components.shop_ranking.engine.fusion.lists import shopper_ndcg
from components.shop_ranking.engine.reading import read_cuts
from components.shop_ranking.engine.signals import SIGNALS
from components.shop_ranking.fusion_training.component import read_cut
from components.shop_ranking.params import load_params

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
TOWERS = dict(shop.TOWER_FOLDERS)
DROPOUTS = {"with modality dropout": 0.2, "without": 0.0}


def run(task: Task) -> Report:
    """Train the gated fusion twice and take modalities away from the test cut."""
    params = load_params().model_copy(update={"seed": task.seed})
    cuts = read_cuts(shop.PREPARED)
    sets = {
        cut["name"]: _sampled(
            read_cut(params, shop.PREPARED, TOWERS, shop.BASELINES, cut=cut).candidates,
            task,
        )
        for cut in cuts
    }
    fit = [sets[cut["name"]] for cut in cuts if cut["role"] == "fit"]
    by_role = {cut["role"]: sets[cut["name"]] for cut in cuts}
    report = Report("10. Missing modalities")
    for name, dropout in DROPOUTS.items():
        gated = params.fusion.gated_attention.model_copy(update={"modality_dropout": dropout})
        fusion = GatedAttention(
            task.seed, params.fusion.model_copy(update={"gated_attention": gated})
        )
        fusion.fit(fit, by_role["validation"])
        fusion.refit([*fit, by_role["validation"]])
        table = report.table(
            f"Gated fusion, {name}: NDCG@10 on the test cut",
            "removed", "share of items", "all", "novel",
        )  # fmt: skip
        for removed in ({"image"}, {"text"}, {"image", "text"}):
            for share in SHARES:
                cells = _measured(fusion, by_role["test"], removed, share, task.seed)
                table.add(" and ".join(sorted(removed)), f"{share:.0%}", *cells)
                say(f"{name}: {table.rows[-1]}")
    report.notes.append(
        "Removed: the vectors of that share of all items, drawn at random; scores and features "
        "made of them become missing, never zero. Candidates stay the same."
    )
    return report


def without_vectors(
    candidates: CandidateSet, tower: str, gone_I: npt.NDArray[np.bool_]
) -> CandidateSet:
    """Return the candidates as if some items had no vector in a tower."""
    vectors = np.array(candidates.item_vectors[tower], np.float32)
    vectors[gone_I] = np.nan
    rows = gone_I[candidates.items]
    signals, features = candidates.signals.copy(), candidates.features.copy()
    signals[rows, SIGNALS.index(tower)] = np.nan
    named = [list(FEATURES).index(name) for name in FEATURE_GROUPS[tower]]
    features[np.ix_(rows, named)] = np.nan
    item_vectors = {**candidates.item_vectors, tower: vectors}
    return replace(candidates, item_vectors=item_vectors, signals=signals, features=features)


def _measured(
    fusion: GatedAttention, test: CandidateSet, removed: set[str], share: float, seed: int
) -> list[str]:
    for tower in sorted(removed):
        items = len(test.item_vectors[tower])
        order = np.random.default_rng([seed, len(tower)]).permutation(items)
        test = without_vectors(test, tower, order < share * items)
    scores = fusion.score(test)
    values = [shopper_ndcg(test, scores, view) for view in ("all", "novel")]
    return [with_interval(row[~np.isnan(row)], seed) for row in values]


def _sampled(candidates: CandidateSet, task: Task) -> CandidateSet:
    if task.sample >= 1:
        return candidates
    count = max(int(task.sample * len(candidates.users)), min(20, len(candidates.users)))
    rng = np.random.default_rng(task.seed)
    return candidates.take(np.sort(rng.choice(len(candidates.users), count, replace=False)))
