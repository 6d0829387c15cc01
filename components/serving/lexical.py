"""Search by words: BM25 over the catalogue, and words the catalogue lacks put right."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import bm25s
import numpy as np
import numpy.typing as npt
from rapidfuzz import process
from rapidfuzz.distance import OSA

from components.ranking.history import Floats, Ints
from components.serving.catalogue import Catalogue

WORD = re.compile(r"\w+")
# Whole titles and brands say more of an item than a description that mentions other things.
FIELDS = (("title", 3), ("brand", 2), ("category", 1), ("text", 1))
SHORTEST_MENDED = 4  # letters; in a shorter word a slip may make any other word
ONE_SLIP = 6  # letters; a shorter word is mended by one slip (insert, drop, swap), others by two
UNDERSTOOD = 10_000  # words whose mending is kept


@dataclass(frozen=True)
class Understood:
    """A query as the catalogue can read it."""

    words: tuple[int, ...]  # rows of the vocabulary
    corrected: str | None  # the query with words put right, None where nothing was


class Lexical:
    """An inverted index with BM25 scores (Robertson et al. 1994; bm25s, Lu 2024)."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.rows = np.flatnonzero(catalogue.eligible).astype(np.int32)
        fields = [(getattr(catalogue, name), times) for name, times in FIELDS]
        documents = [
            [word for column, times in fields for word in words_of(column[row]) * times]
            for row in self.rows.tolist()
        ]
        self.vocabulary: dict[str, int] = {}
        self.known: list[str] = []
        if any(documents):
            index = bm25s.BM25()
            index.index(documents, show_progress=False)
            self.vocabulary = index.vocab_dict
            self.postings = index.scores
            self.known = [word for word in self.vocabulary if word]
        self._mend = lru_cache(UNDERSTOOD)(self._nearest)

    def understand(self, query: str) -> Understood:
        """Read a query; a word the vocabulary lacks becomes the nearest word that it has."""
        words = words_of(query)
        read = [word if word in self.vocabulary else self._mend(word) for word in words]
        rows = (self.vocabulary.get(word) for word in read if word)
        changed = [word or own for word, own in zip(read, words, strict=True)]
        return Understood(
            words=tuple(dict.fromkeys(row for row in rows if row is not None)),
            corrected=" ".join(changed) if changed != words else None,
        )

    def search(self, words: Sequence[int], allowed: npt.NDArray[np.bool_]) -> tuple[Ints, Floats]:
        """Return the allowed items that have any of the words, and their scores, in item order."""
        if not words:
            return np.zeros(0, np.int32), np.zeros(0, np.float32)
        bounds = self.postings["indptr"]
        slices = [slice(int(bounds[word]), int(bounds[word + 1])) for word in words]
        document = np.concatenate([self.postings["indices"][one] for one in slices])
        score = np.concatenate([self.postings["data"][one] for one in slices])
        found, place = np.unique(document, return_inverse=True)
        items = self.rows[found]
        total = np.bincount(place, score).astype(np.float32)
        kept = allowed[items]
        return items[kept], total[kept]

    def _nearest(self, word: str) -> str | None:
        """Return the known word with the fewest slips, None where all have too many."""
        if len(word) < SHORTEST_MENDED or not self.known:
            return None
        slips = 1 if len(word) < ONE_SLIP else 2
        found = process.extract(word, self.known, scorer=OSA.distance, score_cutoff=slips, limit=5)
        if not found:
            return None
        fewest = min(distance for _, distance, _ in found)
        return max((name for name, distance, _ in found if distance == fewest), key=self._uses)

    def _uses(self, word: str) -> int:
        row = self.vocabulary[word]
        return int(self.postings["indptr"][row + 1] - self.postings["indptr"][row])


def words_of(text: str | None) -> list[str]:
    """Return the words of a text, in small letters without accents; any script."""
    plain = unicodedata.normalize("NFKD", (text or "").casefold())
    return WORD.findall("".join(c for c in plain if not unicodedata.combining(c)))
