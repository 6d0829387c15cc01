"""Every signal of every query, once: what the methods of the table are made of."""

import time
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.quality.search.reading import Shop
from components.models.item_orders import Floats, Ints
from components.models.list_stacking import Candidates
from components.models.text import TextTower
from components.retrieval.fields import FieldIndex
from components.retrieval.hybrid import HybridSearch, Scores, reciprocal_ranks

EACH = 100  # places that reciprocal rank fusion looks at, and candidates of every signal
PROPOSING = ("whole", "title", "kind", "dense text", "dense tuned title", "dense tuned kind")


@dataclass(frozen=True)
class Asked:
    """The signals of Q queries, and candidates for a learnt ranker with their grades."""

    signals: list[Scores]
    candidates: Candidates
    grade: Ints  # (N,)
    milliseconds: float  # a query: candidates and features, without encoding it


def encoded(tower: TextTower, shop: Shop) -> dict[str, Floats]:
    """Return the base's unit vectors of titles, kinds and whole texts, (P, width) each."""
    parts = {"title": shop.fields["title"], "kind": shop.fields["kind"], "text": shop.texts}
    return {name: tower.base_vectors(texts) for name, texts in parts.items()}


def ask(
    shop: Shop, index: FieldIndex, encoders: dict[str, tuple[dict[str, Floats], Floats]]
) -> Asked:
    """Ask every query.

    Args:
        shop: the catalogue and its queries.
        index: its words.
        encoders: by prefix ("" or "tuned "), the documents' vectors by name and the queries'.

    """
    documents = {
        f"{prefix}{name}": vectors
        for prefix, (own, _) in encoders.items()
        for name, vectors in own.items()
    }
    search = HybridSearch(index, documents, proposing=PROPOSING, feedback="text", each=EACH)
    log_price = np.log(np.where(shop.price > 0, shop.price, np.nan))
    length = np.array([len(words) for words in index.words["title"]], np.float32)
    signals, parts, grades, spent = [], [], [], 0.0
    for number, query in enumerate(shop.queries):
        vectors = {
            f"{prefix}{name}": asked[number]
            for prefix, (own, asked) in encoders.items()
            for name in own
        }
        started = time.perf_counter()
        with threadpool_limits(1):
            found = search.find(query, vectors)
        rows, words = found.rows, np.full(len(found.rows), len(query.split()))
        about = np.stack([log_price[rows], length[rows], words], 1)
        features = np.concatenate([found.features, about], 1).astype(np.float32)
        spent += time.perf_counter() - started
        parts.append((np.full(len(rows), number), rows, features))
        grades.append(np.array([shop.judged[number].get(int(row), 0) for row in rows], np.int64))
        signals.append(search.everything(query, vectors))
    owner, item, features = (np.concatenate(one) for one in zip(*parts, strict=True))
    milliseconds = 1000 * spent / max(len(shop.queries), 1)
    return Asked(signals, Candidates(owner, item, features), np.concatenate(grades), milliseconds)


def fused(signals: Scores, weights: dict[str, float]) -> Floats:
    """Return one signal as it is, or the reciprocal rank fusion of several, (documents,)."""
    if len(weights) == 1:
        return signals[next(iter(weights))]
    return reciprocal_ranks([signals[name] for name in weights], EACH, list(weights.values()))
