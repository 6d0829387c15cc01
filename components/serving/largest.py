"""The largest of many scores, in one pass."""

from typing import Any

import numpy as np
import numpy.typing as npt

from components.compiled import compiled


@compiled
def largest(
    scores: npt.NDArray[Any], usable: npt.NDArray[np.bool_], k: int
) -> npt.NDArray[np.int64]:
    """Return where the k largest usable scores are, in no order; NaN is none of them.

    A heap of k, the smallest on top; of equal scores the first ones stay.
    """
    heap = np.empty(max(min(k, len(scores)), 0), np.int64)
    size = 0
    for place in range(len(scores)):
        score = scores[place]
        if not usable[place] or np.isnan(score):
            continue
        if size < len(heap):  # grows: up from the last leaf
            at = size
            size += 1
            while at > 0 and scores[heap[(at - 1) // 2]] > score:
                heap[at] = heap[(at - 1) // 2]
                at = (at - 1) // 2
            heap[at] = place
        elif size > 0 and score > scores[heap[0]]:  # takes the top's place: down from there
            at = 0
            while 2 * at + 1 < size:
                below = 2 * at + 1
                if below + 1 < size and scores[heap[below + 1]] < scores[heap[below]]:
                    below += 1
                if scores[heap[below]] >= score:
                    break
                heap[at] = heap[below]
                at = below
            heap[at] = place
    return heap[:size]
