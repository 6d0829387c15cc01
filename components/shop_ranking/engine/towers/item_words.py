"""Cheap content of an item, known when it is ingested: hashed words of title, category and brand.

The hashing trick (Weinberger et al., ICML 2009): no vocabulary to keep, so an item that comes
after training has a vector too. Python's own hash is salted; blake2 is the same everywhere.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import pyarrow as pa

WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class ItemWords:
    """Buckets of the words of N items: item i has word[first[i]:first[i + 1]]."""

    word: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]  # (N + 1,)


def item_words(items: pa.Table, buckets: int) -> ItemWords:
    """Hash the words of a table of schemas.ITEMS (columns title, category, brand; any may be null).

    A category path adds one word for each of its levels, so that siblings share their parents.
    """
    columns = (items[name].to_pylist() for name in ("title", "category", "brand"))
    words = [_words(row, buckets) for row in zip(*columns, strict=True)]
    first = np.cumsum([0, *map(len, words)])
    return ItemWords(np.fromiter((w for own in words for w in own), np.int64, first[-1]), first)


def _words(row: tuple[str | None, ...], buckets: int) -> list[int]:
    title, category, brand = row
    levels = (category or "").split(" > ")
    paths = [" > ".join(levels[: depth + 1]) for depth in range(len(levels))]
    named = {f"title {word}" for word in WORD.findall((title or "").lower())}
    named |= {f"category {path}" for path in paths if path}
    named |= {f"brand {brand}"} if brand else set()
    return sorted(_bucket(name, buckets) for name in named)


@lru_cache(maxsize=1 << 20)
def _bucket(name: str, buckets: int) -> int:
    digest = blake2b(name.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % buckets
