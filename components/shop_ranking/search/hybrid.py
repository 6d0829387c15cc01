"""Hybrid search over a catalogue: what words, meaning and the products themselves say of a match.

Each signal alone is a ranking; together they are the features of a learnt ranker
(engine/towers/list_stacking.py). Some signals propose candidates and look at every document, the
others look at the candidates. Feedback is Rocchio's (1971) in its vector form: the mean of what is
found first is a better question than a query of two words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from components.shop_ranking.engine.reciprocal_ranks import fuse_ranks
from components.shop_ranking.engine.towers.item_orders import Floats, Ints
from components.shop_ranking.search.fields import FieldIndex

FEEDBACK = 10  # documents that answer back

Scores = dict[str, Floats]  # signal -> one score a document, higher is better


@dataclass(frozen=True)
class Found:
    """Candidates of one query and their features."""

    rows: Ints  # (N,) documents, ascending
    features: Floats  # (N, F)


class HybridSearch:
    """The documents by words and by the vectors of one or more encoders."""

    def __init__(
        self,
        index: FieldIndex,
        vectors: Mapping[str, Floats],
        *,
        proposing: Sequence[str],
        feedback: str,
        each: int = 100,
    ) -> None:
        """Take the documents.

        Args:
            index: their words.
            vectors: name -> unit vectors (documents, D); its signal is called `dense <name>`.
            proposing: signals that propose candidates.
            feedback: the vectors that answer back.
            each: candidates of every proposing signal.

        """
        self.index, self.vectors = index, vectors
        self.proposing, self.feedback, self.each = tuple(proposing), feedback, each

    def everything(self, query: str, vectors: Mapping[str, Floats]) -> Scores:
        """Return every signal of every document; `vectors` has the query's unit vectors."""
        return self._signals(query, vectors, np.arange(len(self.vectors[self.feedback])))

    def find(self, query: str, vectors: Mapping[str, Floats]) -> Found:
        """Return candidates; features are each signal, and its share of the candidates' best."""
        scores = self._by_words(query)
        for name in self.proposing:
            if name.startswith("dense "):
                own = name.removeprefix("dense ")
                scores[name] = self.vectors[own] @ vectors[own]
        rows = np.unique(np.concatenate([self._first(scores[name]) for name in self.proposing]))
        columns = []
        for values in self._signals(query, vectors, rows).values():
            best = float(values.max(initial=0.0))
            columns += [values, values / best if best > 0 else np.zeros(len(rows))]
        return Found(rows, np.stack(columns, 1).astype(np.float32))

    def _signals(self, query: str, vectors: Mapping[str, Floats], rows: Ints) -> Scores:
        scores = {name: values[rows] for name, values in self._by_words(query).items()}
        for name, documents_PD in self.vectors.items():
            chosen = documents_PD if len(rows) == len(documents_PD) else documents_PD[rows]
            scores[f"dense {name}"] = chosen @ vectors[name]
            if name == self.feedback:
                answering = chosen
        first = reciprocal_ranks([scores["whole"], scores[f"dense {self.feedback}"]], FEEDBACK)
        mean_D = answering[np.argsort(-first, kind="stable")[:FEEDBACK]].mean(0)
        scores["feedback"] = answering @ (mean_D / max(float(np.linalg.norm(mean_D)), 1e-9))
        return scores

    def _by_words(self, query: str) -> Scores:
        words = self.index.understood(query)
        return {**self.index.scores(words), "named": self._share_named(words)}

    def _first(self, scores: Floats) -> Ints:
        each = min(self.each, len(scores))
        best: Ints = np.argpartition(-scores, each - 1)[:each]
        return best[scores[best] > 0]

    def _share_named(self, words: Sequence[str]) -> Floats:
        """Share of the query's words that a title has, (documents,)."""
        title = self.index.fields["title"]
        matches = np.zeros(title.documents, np.float32)
        distinct = list(dict.fromkeys(words))
        for word in distinct:
            row = title.vocabulary.get(word)
            if row is not None:
                matches[title.document[int(title.start[row]) : int(title.start[row + 1])]] += 1
        return matches / np.float32(max(len(distinct), 1))


def reciprocal_ranks(signals: Sequence[Floats], each: int, weights: Sequence[float] = ()) -> Floats:
    """Fuse rankings by their first `each` places, (documents,); a score of 0 is no place."""
    lists = []
    each = min(each, len(signals[0]))
    for scores in signals:
        best = np.argpartition(-scores, each - 1)[:each] if each else np.zeros(0, np.int64)
        best = best[np.argsort(-scores[best], kind="stable")]
        lists.append(best[scores[best] > 0])
    documents, fused = fuse_ranks(lists, weights)
    total = np.zeros(len(signals[0]), np.float32)
    total[documents] = fused
    return total
