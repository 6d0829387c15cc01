"""Every signal of every query, once: what the methods of the table are made of."""

import time
from dataclasses import dataclass

import numpy as np

from benchmarks.quality.search.reading import Shop
from components.models.item_orders import Floats, Ints
from components.models.list_stacking import Candidates
from components.models.text import TextTower
from components.retrieval.fields import FieldIndex
from components.retrieval.hybrid import HybridSearch, Signals, reciprocal_ranks

EACH = 100  # candidates of every signal
PROPOSING = ("whole", "title", "kind", "dense title", "dense kind", "feedback")


@dataclass(frozen=True)
class Asked:
    """The signals of Q queries, and candidates for a learnt ranker with their grades."""

    signals: list[Signals]
    candidates: Candidates
    grade: Ints  # (N,)
    milliseconds: float  # a query: all signals, candidates and features, without the encoder


def encoded(tower: TextTower, shop: Shop) -> dict[str, Floats]:
    """Return the base's unit vectors of titles, kinds and whole texts, (P, width) each."""
    parts = {"title": shop.fields["title"], "kind": shop.fields["kind"], "text": shop.texts}
    return {name: tower.base_vectors(texts) for name, texts in parts.items()}


def ask(
    shop: Shop,
    index: FieldIndex,
    encoders: dict[str, tuple[dict[str, Floats], Floats]],
) -> Asked:
    """Ask every query.

    Args:
        shop: the catalogue and its queries.
        index: its words.
        encoders: by prefix ("" or "tuned "), the documents' vectors by name and the queries'.

    """
    documents = {
        f"{prefix}{name}": v for prefix, (own, _) in encoders.items() for name, v in own.items()
    }
    search = HybridSearch(index, documents, feedback="text")
    log_price = np.log(np.where(shop.price > 0, shop.price, np.nan))
    length = np.array([len(words) for words in index.words["title"]], np.float32)
    kept, parts, grades, spent = [], [], [], 0.0
    for number, query in enumerate(shop.queries):
        started = time.perf_counter()
        vectors = {
            f"{prefix}{name}": asked[number]
            for prefix, (own, asked) in encoders.items()
            for name in own
        }
        signals = search.signals(query, vectors)
        rows = _candidates(signals)
        about = np.stack([log_price[rows], length[rows], np.full(len(rows), len(signals.words))], 1)
        features = np.concatenate([signals.matrix(rows), about], 1).astype(np.float32)
        spent += time.perf_counter() - started
        kept.append(signals)
        parts.append((np.full(len(rows), number), rows, features))
        grades.append(np.array([shop.judged[number].get(int(row), 0) for row in rows]))
    owner, item, features = (np.concatenate(one) for one in zip(*parts, strict=True))
    milliseconds = 1000 * spent / max(len(shop.queries), 1)
    return Asked(kept, Candidates(owner, item, features), np.concatenate(grades), milliseconds)


def fused(signals: Signals, weights: dict[str, float]) -> Floats:
    """Reciprocal rank fusion of some signals with weights, (documents,)."""
    chosen = [signals.scores[name] for name in weights]
    return reciprocal_ranks(chosen, EACH, list(weights.values()))


def _candidates(signals: Signals) -> Ints:
    """Return the union of the proposing signals' best documents, ascending."""
    chosen = []
    for name in PROPOSING:
        scores = signals.scores[name]
        each = min(EACH, len(scores))
        best = np.argpartition(-scores, each - 1)[:each]
        chosen.append(best[scores[best] > 0])
    return np.unique(np.concatenate(chosen))
