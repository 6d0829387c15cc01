"""Spelling correction: of a word that the catalogue lacks, the nearest word that it knows."""

from collections.abc import Callable, Collection

from rapidfuzz import process
from rapidfuzz.distance import OSA

from components.shop_ranking.params.serving import SearchParams

DEFAULTS = SearchParams()


def nearest_word(
    word: str,
    known: Collection[str],
    uses: Callable[[str], int],
    params: SearchParams = DEFAULTS,
) -> str | None:
    """Return the known word with the fewest slips (insert, drop, swap), None where all have more.

    One slip is forgiven, two in a word of twice `search.corrected_letters`. A shorter word is left
    alone, for a slip may make any other word of it, and so is one with a digit: that is a model or
    a measure, and another one is another product.
    """
    shortest = params.corrected_letters
    if len(word) < shortest or not known or any(letter.isdigit() for letter in word):
        return None
    slips = 1 if len(word) < 2 * shortest else 2
    near = process.extract(
        word, known, scorer=OSA.distance, score_cutoff=slips, limit=params.nearest_words
    )
    if not near:
        return None
    fewest = min(distance for _, distance, _ in near)
    return max((name for name, distance, _ in near if distance == fewest), key=uses)
