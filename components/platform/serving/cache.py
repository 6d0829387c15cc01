"""A least-recently-used cache that several threads may use."""

import threading
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

from cachetools import LRUCache

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Bounded(Generic[Key, Value]):
    """Keeps the `size` values that were used last: cachetools' cache behind a lock.

    Two threads that ask for one missing key may both compute it: a lock held meanwhile would make
    every other key wait.
    """

    def __init__(self, size: int) -> None:
        self.misses = 0
        self._kept: LRUCache[Key, Value] = LRUCache(size)
        self._lock = threading.Lock()

    def get(self, key: Key, compute: Callable[[], Value]) -> Value:
        """Return the value of a key, computed where it is not kept; None is never kept."""
        if key is None:
            return compute()
        with self._lock:
            if key in self._kept:
                return self._kept[key]
            self.misses += 1
        value = compute()
        self.put(key, value)
        return value

    def missing(self, keys: Iterable[Key]) -> list[Key]:
        """Return the keys that are not kept, each once; None is not among them."""
        with self._lock:
            return [key for key in dict.fromkeys(keys) if key and key not in self._kept]

    def kept(self, keys: Iterable[Key]) -> dict[Key, Value]:
        """Return the values of those keys that are kept, all as of one moment; they count as used.

        Who has them does not lose them to a `put` of what was absent.
        """
        with self._lock:
            return {key: self._kept[key] for key in keys if key in self._kept}

    def put(self, key: Key, value: Value) -> None:
        """Keep a value that was computed elsewhere."""
        with self._lock:
            self._kept[key] = value
