"""Words of a text as an index keeps them."""

import re
import unicodedata

WORD = re.compile(r"\w+")
SHORTEST_STEMMED = 4  # letters


def words_of(text: str | None) -> list[str]:
    """Return the words of a text: small letters, no accents, English plurals as singulars."""
    return [singular(word) for word in as_written(text)]


def as_written(text: str | None) -> list[str]:
    """Return the words of a text in small letters without accents; any script."""
    plain = unicodedata.normalize("NFKD", (text or "").casefold())
    bare = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return WORD.findall(bare)


def singular(word: str) -> str:
    """Take an English plural ending off: the S-stemmer (Harman, JASIS 1991)."""
    if len(word) < SHORTEST_STEMMED or not word.endswith("s") or word.endswith(("ss", "us")):
        return word
    if word.endswith("ies") and not word.endswith(("eies", "aies")):
        return word[:-3] + "y"
    if word.endswith("es") and word.endswith(("ches", "shes", "xes", "sses")):
        return word[:-2]
    return word[:-1]
