"""The top k of many scores, in one pass."""

from typing import Any

import numpy as np
import numpy.typing as npt

from components.platform.compiled import compiled


@compiled
def _worse(scores: npt.NDArray[Any], place: int, other: int) -> bool:
    """Return whether the score at `place` is smaller, or equal and further behind."""
    equal = scores[place] == scores[other]
    return bool(scores[place] < scores[other] or (equal and place > other))


@compiled
def top_k(scores: npt.NDArray[Any], usable: npt.NDArray[np.bool_], k: int) -> npt.NDArray[np.int64]:
    """Return where the k largest usable scores are, in no order; NaN is none of them.

    A heap of k, the worst on top; of equal scores the first ones stay.
    """
    heap = np.empty(max(min(k, len(scores)), 0), np.int64)
    size = 0
    for place in range(len(scores)):
        if not usable[place] or np.isnan(scores[place]):
            continue
        if size < len(heap):  # grows: up from the last leaf
            at = size
            size += 1
            while at > 0 and _worse(scores, place, heap[(at - 1) // 2]):
                heap[at] = heap[(at - 1) // 2]
                at = (at - 1) // 2
            heap[at] = place
        elif size > 0 and _worse(scores, heap[0], place):  # takes the top's place: down from there
            at = 0
            while 2 * at + 1 < size:
                below = 2 * at + 1
                if below + 1 < size and _worse(scores, heap[below + 1], heap[below]):
                    below += 1
                if _worse(scores, place, heap[below]):
                    break
                heap[at] = heap[below]
                at = below
            heap[at] = place
    return heap[:size]


@compiled
def best_first(
    scores: npt.NDArray[Any], usable: npt.NDArray[np.bool_], k: int
) -> npt.NDArray[np.int64]:
    """Return where the k largest usable scores are, best first, of equal ones the first first."""
    places = np.sort(top_k(scores, usable, k))
    return places[np.argsort(-scores[places], kind="mergesort")]
