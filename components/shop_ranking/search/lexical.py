"""Search by words: BM25 over the catalogue, and spelling correction of words that it lacks."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from components.shop_ranking.engine.history import Floats, Ints
from components.shop_ranking.engine.top_k import best_first
from components.shop_ranking.params.serving import SearchParams
from components.shop_ranking.search.fields import Postings
from components.shop_ranking.search.spelling import nearest_word
from components.shop_ranking.search.words import as_written, singular, words_of
from components.shop_ranking.serving.catalogue import Catalogue

# Whole titles and brands say more of an item than a description that mentions other things.
FIELDS = ("title", "brand", "category", "text")
UNDERSTOOD = 10_000  # words and queries whose reading is kept. Capacity only: changes no result.


@dataclass(frozen=True)
class Understood:
    """A query as the catalogue can read it."""

    words: tuple[int, ...]  # rows of the vocabulary
    corrected: str | None  # the query with its spelling corrected, None where it was right


class Lexical:
    """The eligible items by their words."""

    def __init__(self, catalogue: Catalogue, params: SearchParams) -> None:
        self.rows = np.flatnonzero(catalogue.eligible).astype(np.int32)
        fields = [(getattr(catalogue, name), getattr(params, f"{name}_weight")) for name in FIELDS]
        self.postings = Postings.of(
            [
                [word for column, times in fields for word in words_of(column[row]) * times]
                for row in self.rows.tolist()
            ],
            params,
        )
        self.known = [word for word in self.postings.vocabulary if word]
        # A new query is read once for its vector and once for its words.
        self.understand = lru_cache(UNDERSTOOD)(self._understand)
        self._corrected = lru_cache(UNDERSTOOD)(
            lambda word: nearest_word(word, self.known, self.postings.uses, params)
        )

    def _understand(self, query: str) -> Understood:
        """Read a query; a word the vocabulary lacks becomes the nearest word that it has."""
        written = as_written(query)
        corrections = {
            word: near
            for word in written
            if (own := singular(word)) not in self.postings.vocabulary
            and (near := self._corrected(own))
        }
        read = (
            self.postings.vocabulary.get(corrections.get(word, singular(word))) for word in written
        )
        corrected = " ".join(corrections.get(word, word) for word in written)
        return Understood(
            words=tuple(dict.fromkeys(row for row in read if row is not None)),
            corrected=corrected if corrections else None,
        )

    def search(
        self, words: Sequence[int], allowed: npt.NDArray[np.bool_], count: int
    ) -> tuple[Ints, Floats]:
        """Return at most `count` allowed items that have any of the words, best first."""
        document, scores = self.postings.of_words(words)
        items = self.rows[document]
        best = best_first(scores, allowed[items], count)
        return items[best], scores[best]
