"""Long encoding in pieces, so that a killed stage encodes no piece twice."""

from collections.abc import Callable

import numpy as np
import torch

from components.progress import say
from components.training.checkpoints import Checkpoints


def in_pieces(
    encode: Callable[[int, int], np.ndarray], count: int, piece: int, checkpoints: Checkpoints
) -> np.ndarray:
    """Return one vector a row for `count` rows, with a snapshot after each `piece` of them.

    Args:
        encode: vectors of the rows from a first to before a last one; those of a row must not
            depend on the rows beside it.
        count: number of rows. Up to one piece is encoded without a snapshot.
        piece: rows that are lost at most.
        checkpoints: of the stage.

    """
    if count <= piece:
        return encode(0, count)
    done: list[np.ndarray] = []
    for start in range(0, count, piece):
        name = f"vectors-{start}"
        state = checkpoints.load(name)
        if state is None:
            done.append(encode(start, min(start + piece, count)))
            checkpoints.save(name, {"vectors": torch.from_numpy(done[-1])})
        else:
            say(f"{name}: encoded before")
            done.append(state["vectors"].numpy())
    return np.concatenate(done)
