"""Row 8: items that training never saw, ranked by what they are.

A share of the catalogue is taken out of every history before training. Shoppers who then wanted
one of those items rank the held-out items alone. Two contents compete: words of title, category
and brand, and semantic ids, residual codes of text vectors (Rajput et al., "Recommender systems
with generative retrieval", NeurIPS 2023). Each is tried with and without the popularity to expect
of such content, which an item that nobody has bought cannot have of its own. Nothing that a
held-out item took part in is used: text vectors are the untuned base's, shoppers' profiles are of
the histories that are left. The ranking that is claimed is chosen at the validation cut.
"""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import torch

from benchmarks.quality.report import Report, short, with_interval
from benchmarks.quality.rows import Task
from benchmarks.quality.shop.cold_content import (
    NEVER,
    expected_popularity,
    popularity_lines,
    semantic_ids,
    taste_in_texts,
    untuned_vectors,
)
from benchmarks.quality.shop.cold_shop import Shop, read_without_cold
from components.platform import tracking
from components.platform.metrics.ranking import Floats as Doubles
from components.platform.metrics.ranking import shopper_metrics
from components.platform.progress import say
from components.platform.training.checkpoints import Checkpoints, seed_everything
from components.platform.training.loop import best_device
from components.shop_ranking.behaviour_pretraining.component import Training
from components.shop_ranking.engine.rankings import top_k
from components.shop_ranking.engine.towers.behaviour import BehaviourTower
from components.shop_ranking.engine.towers.behaviour_config import TowerConfig
from components.shop_ranking.engine.towers.histories import Sessions
from components.shop_ranking.engine.towers.item_orders import Floats, Ints
from components.shop_ranking.params import Params, load_params

K = 10
VALIDATION, TEST = "validation", "test"  # cuts
METRICS = ("ndcg", "recall")
WORDED = ("title", "category", "brand")  # what item_words reads

Lines = dict[str, dict[str, Doubles]]  # method -> metric -> (shoppers asked,)


def run(task: Task) -> Report:
    """Train towers without the held-out items, choose at validation, and test every ranking."""
    params = load_params().model_copy(update={"seed": task.seed})
    shops = {cut: read_without_cold(task, cut) for cut in (VALIDATION, TEST)}
    text_ID = untuned_vectors(shops[TEST].items, shops[VALIDATION].known, params.text)
    towers = _towers(params, shops, text_ID)
    lines = {cut: _lines(params, shops[cut], text_ID, towers[cut]) for cut in shops}
    test = lines[TEST]
    report = Report(
        f"8. Cold items: {len(shops[TEST].cold)} held out of {shops[TEST].items.num_rows:,}, ranked"
        f" among themselves for {len(next(iter(test.values()))['ndcg']):,} shoppers who wanted one"
    )
    table = report.table(
        f"NDCG@{K} on the held-out items", "ranked by", f"NDCG@{K}", f"recall@{K}",
        f"validation NDCG@{K}",
    )  # fmt: skip
    for name, values in test.items():
        cells = [with_interval(values[metric], task.seed) for metric in METRICS]
        table.add(name, *cells, short(float(lines[VALIDATION][name]["ndcg"].mean())))
    by_count = {name for name in test if name.startswith(("popularity", "mean popularity"))}
    content = _best(lines[VALIDATION], set(test) - by_count)
    popularity = _best(lines[VALIDATION], by_count)
    difference = test[content]["ndcg"] - test[popularity]["ndcg"]
    report.notes += [
        f"Chosen on validation: '{content}' of the contents, '{popularity}' of the popularities. "
        f"Paired difference of NDCG@{K} on test: {with_interval(difference, task.seed)}.",
        "A tower of ids alone knows nothing of an unseen item: all of them tie, and ties are in a "
        "random order. Popularity in category: events with items of its category before the cut, "
        "in all or as a mean an item; own category: the shopper's events in it. Expected "
        "popularity: ridge regression of the log count of seen items on their words, its penalty "
        "by cross-validation over seen items.",
        "Towers train up to the validation cut and go on to the test cut, as the pipeline's do. "
        "Semantic ids and the text tower are made of the untuned base's vectors, whitened on seen "
        "items; shoppers are what their histories without held-out items say.",
    ]
    return report


def _best(lines: Lines, names: Iterable[str]) -> str:
    """Return the method with the best NDCG."""
    return max(sorted(names), key=lambda name: float(lines[name]["ndcg"].mean()))


def _lines(
    params: Params, shop: Shop, text_ID: Floats, towers: dict[str, tuple[pa.Table, Floats]]
) -> Lines:
    """Rank the held-out items at one cut by every method."""
    asked, wanted = shop.asked()
    scores: dict[str, Floats] = {}
    for name, (items, taste_UC) in towers.items():
        scores[f"behaviour tower, {name}"] = taste_UC[asked]
        if name == "ids alone":
            continue
        expected_C = expected_popularity(items, shop.histories.item, shop.cold)
        scores[f"behaviour tower, {name}, expected popularity"] = taste_UC[asked] + expected_C
        scores[f"expected popularity, {name}"] = np.tile(expected_C, (len(asked), 1))
    scores |= popularity_lines(shop, asked)
    scores["text tower"] = taste_in_texts(shop, text_ID, asked, params.text.half_life_days)
    # Equal scores in a random order: the catalogue's own order knows what was bought most.
    order = np.random.default_rng(params.seed).permutation(len(shop.cold)).astype(np.int32)
    measured = {}
    for name, scored in scores.items():
        measured[name] = shopper_metrics(top_k(scored, order, K), wanted)
        say(f"{shop.cut['name']}, {name}: {measured[name]['ndcg'].mean():.4f}")
    return measured


def _towers(
    params: Params, shops: dict[str, Shop], text_ID: Floats
) -> dict[str, dict[str, tuple[pa.Table, Floats]]]:
    """Return by cut and content the items' words and the scores of held-out items, (U, C)."""
    items = shops[TEST].items
    nothing = pa.array([""] * items.num_rows)
    blank = pa.table({"item_id": items["item_id"]} | dict.fromkeys(WORDED, nothing))
    ids = pa.array(semantic_ids(text_ID, shops[VALIDATION].known, params.seed))
    contents = {
        "words": items.select(["item_id", *WORDED]),
        "semantic ids": blank.set_column(1, "title", ids),
        "ids alone": blank,
    }
    tables: dict[str, dict[str, tuple[pa.Table, Floats]]] = {cut: {} for cut in shops}
    for name, worded in contents.items():
        seed_everything(params.seed)
        model = BehaviourTower(TowerConfig.of(params.behaviour), worded).to(best_device())
        training = Training(model, params, Checkpoints("bench_cold", "none", every_seconds=1e9))
        with tracking.stage_run("cold items", params):
            for cut, shop in shops.items():
                sessions = Sessions.of(shop.histories)
                training.up_to(shop.cut, sessions)
                tables[cut][name] = worded, _taste(model, sessions, shop.cold)
        training.checkpoints.remove()
    return tables


@torch.no_grad()
def _taste(model: BehaviourTower, sessions: Sessions, cold: Ints) -> Floats:
    vectors_ID = np.nan_to_num(model.encode_items())
    scores: Floats = model.encode(sessions) @ vectors_ID[cold].T
    return np.nan_to_num(scores, nan=NEVER)
