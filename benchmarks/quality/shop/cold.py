"""Row 8: items that training never saw, ranked by what they are.

A share of the catalogue is taken out of every history before training. Shoppers who then wanted
one of those items rank the held-out items alone. Two contents compete: words of title, category
and brand, and semantic ids, residual codes of the text tower's vectors (Rajput et al., "Recommender
systems with generative retrieval", NeurIPS 2023). Each is tried with and without the popularity to
expect of such content, which an item that nobody has bought cannot have of its own.
"""

import json
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import torch
from scipy.sparse import csr_array
from sklearn.cluster import KMeans
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV

from benchmarks.quality.report import Report, with_interval
from benchmarks.quality.rows import Task
from components import pipeline, tracking
from components.behaviour_pretraining.component import Training, tower_config
from components.evaluation.metrics import shopper_metrics
from components.files import read_table
from components.models.behaviour import BehaviourTower
from components.models.histories import Histories, Sessions, read_histories
from components.models.item_orders import Floats, Ints
from components.models.item_words import item_words
from components.params import Params, load_params
from components.progress import say
from components.ranking.rankings import read_candidates, top_k
from components.training.checkpoints import Checkpoints, seed_everything
from components.training.loop import best_device

HELD_OUT, K = 0.05, 10
CODES, LEVELS = 64, 3  # of the semantic ids
WORDS, PENALTIES = 1 << 14, (1.0, 3.0, 10.0, 30.0, 100.0)  # of the expected popularity
CUT = "test"
SESSIONS = ("day", "session", "kind")


@dataclass(frozen=True)
class Shop:
    """What is known before the cut, with the held-out items taken out of the histories."""

    items: pa.Table
    user: Ints  # (U,) user_index of each history
    histories: Histories
    cold: Ints  # (C,) held-out items, ascending
    cut: dict[str, str]


def run(task: Task) -> Report:
    """Train towers without the held-out items and rank those by content."""
    params = load_params().model_copy(update={"seed": task.seed})
    shop = read_without_cold(task)
    asked, wanted = _asked(shop)
    report = Report(
        f"8. Cold items: {len(shop.cold)} held out of {shop.items.num_rows:,}, ranked among "
        f"themselves for {len(asked):,} shoppers who wanted one"
    )
    table = report.table(f"NDCG@{K} on the held-out items", "ranked by", f"NDCG@{K}", f"recall@{K}")
    # Equal scores in a random order: the catalogue's own order knows what was bought most.
    order = np.random.default_rng(task.seed).permutation(len(shop.cold)).astype(np.int32)
    for name, scores in _scores(params, shop, asked, task).items():
        ranked = top_k(scores, order, K)
        values = shopper_metrics(ranked, wanted)
        cells = [with_interval(values[metric], task.seed) for metric in ("ndcg", "recall")]
        table.add(name, *cells)
        say(f"{name}: {cells}")
    report.notes.append(
        "A tower of ids alone knows nothing of an unseen item: all of them tie, and ties are in a "
        "random order. Popularity in category: events with items of its category before the cut, "
        "in all or as a mean an item; own category: the shopper's events in it. Expected "
        "popularity: ridge regression of the log count of seen items on their words, its penalty "
        "by cross-validation over seen items."
    )
    return report


def read_without_cold(task: Task) -> Shop:
    """Read one cut and take a share of its catalogue out of every history."""
    folder = pipeline.PREPARED / "cuts" / CUT
    items = read_table(
        pipeline.PREPARED / "items.parquet", ["item_id", "title", "category", "brand"]
    )
    rng = np.random.default_rng(task.seed)
    eligible = np.sort(read_candidates(pipeline.PREPARED, CUT).order)
    cold = np.sort(rng.choice(eligible, max(int(HELD_OUT * len(eligible)), K + 1), replace=False))
    user, histories = read_histories(folder / "sequences.parquet")
    if task.sample < 1:
        count = max(int(task.sample * len(user)), 30)
        rows = np.sort(rng.choice(len(user), min(count, len(user)), replace=False))
        user, histories = user[rows], _taken(histories, rows)
    kept = ~np.isin(histories.item, cold)
    owner = np.repeat(np.arange(len(user)), np.diff(histories.start))
    length = np.bincount(owner[kept], minlength=len(user))
    some = length > 0  # a shopper of nothing but held-out items has no history left
    start = np.concatenate([[0], np.cumsum(length[some])])
    columns = {name: getattr(histories, name)[kept] for name in ("item", *SESSIONS)}
    cuts = json.loads((pipeline.PREPARED / "cuts.json").read_text())
    cut = next(one for one in cuts if one["name"] == CUT)
    return Shop(items, user[some].astype(np.int64), Histories(start, **columns), cold, cut)


def semantic_ids(vectors_ID: Floats, known_I: np.ndarray, seed: int) -> list[str]:
    """Return residual codes of vectors as words, `a12 b7 c33`; empty where there is no vector.

    Residual quantisation by k-means: each level codes what the levels before left over. Only items
    of training shape the codes. A word stands for the whole path too, as a category does.
    """
    whole = ~np.isnan(vectors_ID).any(1)
    rest = np.nan_to_num(vectors_ID).astype(np.float32)
    codes = []
    for _ in range(LEVELS):
        learnt = rest[whole & known_I]
        clusters = min(CODES, len(learnt))
        means = KMeans(clusters, n_init=1, random_state=seed).fit(learnt)
        code = means.predict(rest)
        rest = rest - means.cluster_centers_[code]
        codes.append(code)
    rows = np.stack(codes, 1)
    words = [" ".join(f"{'abc'[k]}{code}" for k, code in enumerate(row)) for row in rows.tolist()]
    return [word if there else "" for word, there in zip(words, whole.tolist(), strict=True)]


def _scores(params: Params, shop: Shop, asked: Ints, task: Task) -> dict[str, Floats]:
    """Return the scores of the held-out items, (asked, C), by method."""
    known_I = np.ones(shop.items.num_rows, bool)
    known_I[shop.cold] = False
    text_ID = np.load(pipeline.TEXT / CUT / "item_vectors.npy")
    nothing = pa.array([""] * shop.items.num_rows)
    ids = pa.array(semantic_ids(text_ID, known_I, task.seed))
    blank = shop.items.set_column(1, "title", nothing)
    blank = blank.set_column(2, "category", nothing).set_column(3, "brand", nothing)
    contents = {
        "behaviour tower, words": shop.items,
        "behaviour tower, semantic ids": blank.set_column(1, "title", ids),
        "behaviour tower, ids alone": blank,
    }
    found: dict[str, Floats] = {}
    for name, items in contents.items():
        found[name] = _tower_scores(params, shop, items, asked, task)
        if items is not blank:
            expected = expected_popularity(shop, items)
            found[f"{name}, expected popularity"] = found[name] + expected
            found[f"expected popularity, {name.split(', ')[1]}"] = np.tile(
                expected, (len(asked), 1)
            )
    owner = np.repeat(np.arange(len(shop.user)), np.diff(shop.histories.start))
    category = shop.items["category"].combine_chunks().dictionary_encode().indices
    group_I = category.fill_null(-1).to_numpy().astype(np.int64) + 1
    counts = np.bincount(group_I[shop.histories.item], minlength=group_I.max() + 1)
    found["popularity in category"] = np.tile(
        counts[group_I[shop.cold]].astype(np.float32), (len(asked), 1)
    )
    seen = np.bincount(group_I[np.unique(shop.histories.item)], minlength=len(counts))
    found["mean popularity in category"] = np.tile(
        (counts / np.maximum(seen, 1))[group_I[shop.cold]].astype(np.float32), (len(asked), 1)
    )
    own = np.zeros((len(shop.user), group_I.max() + 1), np.float32)
    np.add.at(own, (owner, group_I[shop.histories.item]), 1.0)
    found["popularity in own category"] = (
        own[asked][:, group_I[shop.cold]] + 1e-6 * found["popularity in category"]
    )
    users_UD = np.load(pipeline.TEXT / CUT / "user_vectors.npy")[shop.user[asked]]
    found["text tower"] = np.nan_to_num(users_UD @ text_ID[shop.cold].T, nan=-1e9)
    return found


def expected_popularity(shop: Shop, items: pa.Table) -> Floats:
    """Return the log count to expect of the held-out items by their words, (C,)."""
    words = item_words(items, WORDS)
    there = csr_array((np.ones(len(words.word)), words.word, words.first), (items.num_rows, WORDS))
    counts = np.bincount(shop.histories.item, minlength=items.num_rows)
    seen = np.flatnonzero(counts)
    options = {"alpha": PENALTIES}
    search = GridSearchCV(Ridge(), options, scoring="neg_mean_squared_error", cv=5)
    search.fit(there[seen], np.log(counts[seen]))
    say(f"expected popularity: penalty {search.best_params_['alpha']:g}")
    expected: Floats = search.predict(there[shop.cold]).astype(np.float32)
    return expected


def _tower_scores(params: Params, shop: Shop, items: pa.Table, asked: Ints, task: Task) -> Floats:
    seed_everything(task.seed)
    model = BehaviourTower(tower_config(params.behaviour), items).to(best_device())
    sessions = Sessions.of(shop.histories)
    checkpoints = Checkpoints("bench_cold", "none", every_seconds=1e9)
    with tracking.stage_run("cold items", params):
        Training(model, params, checkpoints).up_to(shop.cut, sessions)
    checkpoints.remove()
    with torch.no_grad():
        vectors_ID = model.encode_items()
    shoppers_UD = model.encode(sessions)[asked]
    scores: Floats = shoppers_UD @ np.nan_to_num(vectors_ID)[shop.cold].T
    return np.nan_to_num(scores, nan=-1e9)


def _asked(shop: Shop) -> tuple[Ints, np.ndarray]:
    """Return rows of shoppers who wanted a held-out item, and which, (asked, C) bool."""
    table = read_table(pipeline.PREPARED / "cuts" / CUT / "targets.parquet")
    user, item = (table[name].to_numpy() for name in ("user_index", "item_index"))
    row_of = {int(one): row for row, one in enumerate(shop.user)}
    kept = np.isin(item, shop.cold) & np.isin(user, shop.user)
    rows = np.array([row_of[int(one)] for one in user[kept]], np.int64)
    asked, place = np.unique(rows, return_inverse=True)
    wanted = np.zeros((len(asked), len(shop.cold)), bool)
    wanted[place, np.searchsorted(shop.cold, item[kept])] = True
    return asked, wanted


def _taken(histories: Histories, rows: Ints) -> Histories:
    length = np.diff(histories.start)[rows]
    start = np.concatenate([[0], np.cumsum(length)])
    at = np.repeat(histories.start[rows] - start[:-1], length) + np.arange(start[-1])
    columns = {name: getattr(histories, name)[at] for name in ("item", *SESSIONS)}
    return replace(histories, start=start, **columns)
