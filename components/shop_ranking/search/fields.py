"""BM25 by field: a word in a title says another thing than the same word in a description."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import bm25s
import numpy as np
import numpy.typing as npt

from components.platform.compiled import compiled
from components.shop_ranking.engine.towers.item_orders import Floats
from components.shop_ranking.params.serving import SearchParams
from components.shop_ranking.search.spelling import DEFAULTS, nearest_word
from components.shop_ranking.search.words import words_of

# Lists of more words are sorted together, which is quicker then. Capacity only: changes no result.
MERGED = 12


@dataclass(frozen=True)
class Postings:
    """BM25 of every word and document of one field (Robertson et al. 1994; bm25s, Lu 2024)."""

    vocabulary: dict[str, int]
    start: npt.NDArray[np.int64]  # (V + 1,)
    document: npt.NDArray[np.int32]
    value: Floats
    documents: int

    @classmethod
    def of(cls, texts: Sequence[list[str]], params: SearchParams = DEFAULTS) -> "Postings":
        """Index documents given as words."""
        if not any(texts):
            nothing = np.zeros(0, np.int32)
            return cls({}, np.zeros(1, np.int64), nothing, nothing.astype(np.float32), len(texts))
        index = bm25s.BM25(k1=params.bm25_k1, b=params.bm25_b)
        index.index(list(texts), show_progress=False)
        postings = index.scores
        return cls(
            index.vocab_dict,
            postings["indptr"].astype(np.int64),
            postings["indices"],
            postings["data"],
            len(texts),
        )

    def scores(self, words: Sequence[str]) -> Floats:
        """Return the score of every document, (documents,); 0 without any of the words."""
        total = np.zeros(self.documents, np.float32)
        for word in dict.fromkeys(words):
            row = self.vocabulary.get(word)
            if row is not None:
                part = slice(int(self.start[row]), int(self.start[row + 1]))
                total[self.document[part]] += self.value[part]
        return total

    def of_words(self, rows: Sequence[int]) -> tuple[npt.NDArray[np.int32], Floats]:
        """Return the documents that have any of these words of the vocabulary, and their scores."""
        if len(rows) <= MERGED:
            return _merged(self.start, self.document, self.value, np.array(rows, np.int64))
        slices = [slice(int(self.start[row]), int(self.start[row + 1])) for row in rows]
        document = np.concatenate([self.document[part] for part in slices])
        value = np.concatenate([self.value[part] for part in slices])
        documents, place = np.unique(document, return_inverse=True)
        return documents.astype(np.int32), np.bincount(place, value).astype(np.float32)

    def uses(self, word: str) -> int:
        """Return the number of documents that have a word."""
        row = self.vocabulary.get(word)
        return 0 if row is None else int(self.start[row + 1] - self.start[row])


@compiled
def _merged(
    start: npt.NDArray[np.int64],
    document: npt.NDArray[np.int32],
    value: Floats,
    words: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int32], Floats]:
    """Return the documents of any of the words, ascending, and the sums of their values.

    The documents of a word are ascending already. A step looks at every word.
    """
    at, end = start[words], start[words + 1]
    documents = np.empty((end - at).sum(), np.int32)
    total = np.empty(len(documents), np.float32)
    count = 0
    while True:
        first = -1
        for word in range(len(words)):
            if at[word] < end[word] and (first < 0 or document[at[word]] < first):
                first = document[at[word]]
        if first < 0:
            return documents[:count], total[:count]
        summed = 0.0
        for word in range(len(words)):
            if at[word] < end[word] and document[at[word]] == first:
                summed += value[at[word]]
                at[word] += 1
        documents[count], total[count] = first, summed
        count += 1


class FieldIndex:
    """Several fields of the same documents, and one of all their words together."""

    def __init__(self, fields: Mapping[str, Sequence[str]]) -> None:
        words = {name: [words_of(text) for text in texts] for name, texts in fields.items()}
        self.words = words
        self.fields = {name: Postings.of(texts) for name, texts in words.items()}
        whole = [list(chain.from_iterable(parts)) for parts in zip(*words.values(), strict=True)]
        self.whole = Postings.of(whole)

    def scores(self, words: Sequence[str]) -> dict[str, Floats]:
        """Return BM25 of every document by field, and of the `whole`."""
        scores = {name: postings.scores(words) for name, postings in self.fields.items()}
        return {**scores, "whole": self.whole.scores(words)}

    def understood(self, query: str) -> list[str]:
        """Return the words of a query, one that no document has replaced by the nearest known.

        Two words that the catalogue writes as one (head set, power bank) are joined as well.
        """
        words = words_of(query)
        joined = [left + right for left, right in pairwise(words)]
        words += [word for word in joined if self.whole.uses(word)]
        return [word if self.whole.uses(word) else self._corrected(word) or word for word in words]

    def _corrected(self, word: str) -> str | None:
        return nearest_word(word, self.whole.vocabulary.keys(), self.whole.uses)
