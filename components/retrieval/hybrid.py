"""Hybrid search over a catalogue: what words, meaning and the products themselves say of a match.

Each signal alone is a ranking; together they are the features of a learnt ranker
(components.models.list_stacking). Feedback is Rocchio's (1971) in its vector form: the mean of
what is found first is a better question than a query of two words.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.models.item_orders import Floats, Ints
from components.retrieval.fields import FieldIndex

RANK_OFFSET = 60  # of reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009)
FEEDBACK = 10  # documents that answer back


@dataclass(frozen=True)
class Signals:
    """What is known of every document for one query: name -> (documents,), higher is better."""

    scores: dict[str, Floats]
    words: list[str]  # the query as understood

    def matrix(self, rows: Ints) -> Floats:
        """Return the signals of some documents and their share of each signal's best, (N, 2S)."""
        columns = []
        for scores in self.scores.values():
            best = float(scores.max(initial=0.0))
            columns += [scores[rows], scores[rows] / best if best > 0 else np.zeros(len(rows))]
        return np.stack(columns, 1).astype(np.float32)


class HybridSearch:
    """The documents by words and by the vectors of one or more encoders."""

    def __init__(self, index: FieldIndex, vectors: dict[str, Floats], feedback: str) -> None:
        """Take the words' index, unit vectors by name (documents, D), and which answer back."""
        self.index, self.vectors, self.feedback = index, vectors, feedback

    def signals(self, query: str, vectors: dict[str, Floats]) -> Signals:
        """Return every signal of a query; `vectors` has its unit vector for each name."""
        words = self.index.understood(query)
        scores = self.index.scores(words)
        scores["named"] = self._share_named(words)
        for name, documents_PD in self.vectors.items():
            scores[f"dense {name}"] = documents_PD @ vectors[name]
        first = reciprocal_ranks([scores["whole"], scores[f"dense {self.feedback}"]], FEEDBACK)
        documents_PD = self.vectors[self.feedback]
        answer_D = documents_PD[np.argsort(-first, kind="stable")[:FEEDBACK]].mean(0)
        scores["feedback"] = documents_PD @ (answer_D / max(float(np.linalg.norm(answer_D)), 1e-9))
        return Signals(scores, words)

    def _share_named(self, words: Sequence[str]) -> Floats:
        """Share of the query's words that a title has, (documents,)."""
        title = self.index.fields["title"]
        found = np.zeros(title.documents, np.float32)
        distinct = list(dict.fromkeys(words))
        for word in distinct:
            row = title.vocabulary.get(word)
            if row is not None:
                found[title.document[int(title.start[row]) : int(title.start[row + 1])]] += 1
        return found / np.float32(max(len(distinct), 1))


def reciprocal_ranks(signals: Sequence[Floats], each: int, weights: Sequence[float] = ()) -> Floats:
    """Fuse rankings by their first `each` places, (documents,); a score of 0 is no place."""
    total = np.zeros(len(signals[0]), np.float32)
    each = min(each, len(total))
    for number, scores in enumerate(signals):
        best = np.argpartition(-scores, each - 1)[:each]
        best = best[np.argsort(-scores[best], kind="stable")]
        best = best[scores[best] > 0]
        weight = weights[number] if weights else 1.0
        total[best] += weight / (RANK_OFFSET + 1 + np.arange(len(best)))
    return total
