"""Every signal of every query, once: what the methods of the table are made of."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.quality.search.reading import Shop
from components.platform.encoders.text import TextTower
from components.shop_ranking.engine.towers.item_orders import Floats, Ints
from components.shop_ranking.engine.towers.list_stacking import Candidates
from components.shop_ranking.search.fields import FieldIndex, Postings
from components.shop_ranking.search.hybrid import HybridSearch, Scores, reciprocal_ranks
from components.shop_ranking.search.words import words_of

REPEATS = 3  # of every whole query
EACH = 100  # places that reciprocal rank fusion looks at, and candidates of every signal
JOINED = {  # the lines that the issue of this row names
    "title, description": ("title", "description"),
    "title, description, attributes": ("title", "description", "attributes"),
}
PROPOSING = ("whole", "title", "kind", "dense text", "dense tuned title", "dense tuned kind")


@dataclass(frozen=True)
class Asked:
    """The signals of Q queries, and candidates for a learnt ranker with their grades."""

    signals: list[Scores]
    candidates: Candidates
    grade: Ints  # (N,)
    milliseconds: float  # a query: candidates and features, without encoding it


class Asking:
    """A catalogue that can be asked: hybrid search, and what else a learnt ranker reads."""

    def __init__(self, shop: Shop, index: FieldIndex, documents: Mapping[str, Floats]) -> None:
        """Take the documents' words and their unit vectors by name."""
        self.search = HybridSearch(
            index, documents, proposing=PROPOSING, feedback="text", each=EACH
        )
        self.log_price = np.log(np.where(shop.price > 0, shop.price, np.nan))
        self.length = np.array([len(words) for words in index.words["title"]], np.float32)

    def candidates(self, query: str, vectors: Mapping[str, Floats]) -> tuple[Ints, Floats]:
        """Return the candidate documents of a query and their features, (N,) and (N, F)."""
        candidates = self.search.find(query, vectors)
        words = np.full(len(candidates.rows), len(query.split()))
        about = np.stack([self.log_price[candidates.rows], self.length[candidates.rows], words], 1)
        return candidates.rows, np.concatenate([candidates.features, about], 1).astype(np.float32)


def by_document(prefixed: Mapping[str, Floats], names: Iterable[str]) -> dict[str, Floats]:
    """Name an encoder's query vector after each of the documents' vectors it is held against.

    Args:
        prefixed: prefix ("" or "tuned ") -> the query's vector.
        names: names of the documents' vectors: prefix and part.

    """
    longest_first = sorted(prefixed, key=len, reverse=True)
    return {
        name: next(prefixed[prefix] for prefix in longest_first if name.startswith(prefix))
        for name in names
    }


def encoded(tower: TextTower, shop: Shop) -> dict[str, Floats]:
    """Return the base's unit vectors of titles, kinds and whole texts, (P, width) each."""
    parts = {"title": shop.fields["title"], "kind": shop.fields["kind"], "text": shop.texts}
    return {name: tower.base_vectors(texts) for name, texts in parts.items()}


def ask(shop: Shop, asking: Asking, queries_QD: Mapping[str, Floats]) -> Asked:
    """Ask every query; queries_QD holds their vectors by the encoder's prefix."""
    plain = plain_words(shop)
    signals, parts, grades, spent = [], [], [], 0.0
    for number, query in enumerate(shop.queries):
        own = {prefix: vectors_QD[number] for prefix, vectors_QD in queries_QD.items()}
        vectors = by_document(own, asking.search.vectors)
        started = time.perf_counter()
        with threadpool_limits(1):
            rows, features = asking.candidates(query, vectors)
        spent += time.perf_counter() - started
        parts.append((np.full(len(rows), number), rows, features))
        grades.append(np.array([shop.judged[number].get(int(row), 0) for row in rows], np.int64))
        by_words = {name: index.scores(words_of(query)) for name, index in plain.items()}
        signals.append({**asking.search.everything(query, vectors), **by_words})
    owner, item, features = (np.concatenate(pieces) for pieces in zip(*parts, strict=True))
    milliseconds = 1000 * spent / max(len(shop.queries), 1)
    return Asked(signals, Candidates(owner, item, features), np.concatenate(grades), milliseconds)


def plain_words(shop: Shop) -> dict[str, Postings]:
    """Return BM25 of fields written one after another, without any understanding of a query."""
    joined = {
        name: [
            " ".join(parts) for parts in zip(*(shop.fields[field] for field in fields), strict=True)
        ]
        for name, fields in JOINED.items()
    }
    return {name: Postings.of([words_of(t) for t in texts]) for name, texts in joined.items()}


def fused(signals: Scores, weights: dict[str, float]) -> Floats:
    """Return one signal as it is, or the weighted rank fusion of several, (documents,)."""
    if len(weights) == 1:
        return signals[next(iter(weights))]
    return reciprocal_ranks([signals[name] for name in weights], EACH, list(weights.values()))


def whole_queries(
    queries: Sequence[str],
    encoders: Mapping[str, Callable[[str], Floats]],
    asking: Asking,
    scorer: Callable[[Candidates], Floats],
) -> Floats:
    """Return the milliseconds of each query from its text to its ranked products, on one thread."""
    spent = []
    with threadpool_limits(1):
        for query in [queries[0], *list(queries) * REPEATS]:  # the first one warms up
            started = time.perf_counter()
            prefixed = {prefix: encode(query) for prefix, encode in encoders.items()}
            vectors = by_document(prefixed, asking.search.vectors)
            rows, features = asking.candidates(query, vectors)
            scores = scorer(Candidates(np.zeros(len(rows), np.int64), rows, features))
            rows[np.argsort(-scores, kind="stable")]
            spent.append(1000 * (time.perf_counter() - started))
    return np.array(spent[1:])
