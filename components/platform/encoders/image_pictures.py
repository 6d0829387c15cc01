"""Encoded pictures to pixels, ahead of the network that reads them."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from components.platform.encoders.picture_decoding import decode


def decode_all(pictures: Sequence[bytes], size: int) -> tuple[Tensor, np.ndarray]:
    """Return the readable ones as (n, 3, size, size) uint8, and which they are, (N,) bool."""
    decoded = [decode(picture, size) for picture in pictures]
    readable_N = np.array([pixels is not None for pixels in decoded], bool)
    kept = [pixels for pixels in decoded if pixels is not None]
    stacked = np.stack(kept) if kept else np.empty((0, size, size, 3), np.uint8)
    return torch.from_numpy(stacked).permute(0, 3, 1, 2), readable_N


def decoded_ahead(
    batches: Iterable[Sequence[bytes]], size: int, ahead: int = 2
) -> Iterator[tuple[Tensor, np.ndarray]]:
    """Yield decode_all of each batch, decoded in threads while the caller computes."""
    with ThreadPoolExecutor(ahead) as pool:
        waiting = []
        for batch in batches:
            waiting.append(pool.submit(decode_all, batch, size))
            if len(waiting) > ahead:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()
