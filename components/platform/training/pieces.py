"""Long encoding in pieces, so that a killed stage encodes no piece twice."""

import hashlib
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from components.platform.progress import say
from components.platform.training.checkpoints import Checkpoints


def in_pieces(
    encode: Callable[[int, int], np.ndarray],
    count: int,
    piece: int,
    checkpoints: Checkpoints,
    encoder: nn.Module,
) -> tuple[np.ndarray, int]:
    """Return one vector a row for `count` rows, with a checkpoint after each `piece` of them.

    Args:
        encode: vectors of the rows from a first to before a last one; those of a row must not
            depend on the rows beside it.
        count: number of rows. Up to one piece is encoded without a checkpoint.
        piece: rows that are lost at most.
        checkpoints: of the stage.
        encoder: what `encode` asks; a checkpoint of other weights is not taken.

    Returns:
        The vectors, and how many of them were encoded now.

    """
    if count <= piece:
        return encode(0, count), count
    weights = _digest(encoder)
    done: list[np.ndarray] = []
    encoded = 0
    for start in range(0, count, piece):
        stop = min(start + piece, count)
        name = f"vectors-{start}-{stop}"
        state = checkpoints.load(name)
        if state is None or state["weights"] != weights:
            done.append(encode(start, stop))
            encoded += stop - start
            vectors = torch.from_numpy(done[-1])
            checkpoints.save(name, {"vectors": vectors, "weights": weights})
        else:
            say(f"{name}: encoded before")
            done.append(state["vectors"].numpy())
    return np.concatenate(done), encoded


def _digest(encoder: nn.Module) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name, value in encoder.state_dict().items():
        flat = value.detach().cpu().contiguous().reshape(-1)
        digest.update(name.encode() + b"\0" + flat.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
