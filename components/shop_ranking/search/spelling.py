"""Words that a catalogue lacks, put right: the nearest word that it knows."""

from collections.abc import Callable, Collection

from rapidfuzz import process
from rapidfuzz.distance import OSA

SHORTEST_MENDED = 4  # letters; in a shorter word a slip may make any other word
CLOSE = 5  # nearest words, of which the one most in use is taken


def nearest_word(word: str, known: Collection[str], uses: Callable[[str], int]) -> str | None:
    """Return the known word with the fewest slips (insert, drop, swap), None where all have more.

    One slip is forgiven, two in a word of twice SHORTEST_MENDED letters. A word with a digit is a
    model or a measure, and another one is another product: it is left alone.
    """
    if len(word) < SHORTEST_MENDED or not known or any(letter.isdigit() for letter in word):
        return None
    slips = 1 if len(word) < 2 * SHORTEST_MENDED else 2
    found = process.extract(word, known, scorer=OSA.distance, score_cutoff=slips, limit=CLOSE)
    if not found:
        return None
    fewest = min(distance for _, distance, _ in found)
    return max((name for name, distance, _ in found if distance == fewest), key=uses)
