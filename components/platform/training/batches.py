"""Batches made when they are needed, each from its number alone."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload


class Batches(Sequence[Any]):
    """`count` batches; make(i) returns batch i and depends on nothing drawn before it."""

    def __init__(self, make: Callable[[int], Any], count: int) -> None:
        self._make, self._count = make, count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Any]:
        return (self._make(index) for index in range(self._count))

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self._make(i) for i in range(*index.indices(self._count))]
        return self._make(index)
