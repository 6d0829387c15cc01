"""Encoded pictures to pixels, prefetched for the network that reads them."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

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


def prefetched(
    batches: Iterable[Sequence[bytes]], size: int, depth: int = 2
) -> Iterator[tuple[Tensor, np.ndarray]]:
    """Yield decode_all of each batch; up to `depth` are decoded in threads beforehand."""
    with ThreadPoolExecutor(depth) as pool:
        queue = deque[Future[tuple[Tensor, np.ndarray]]]()
        for batch in batches:
            queue.append(pool.submit(decode_all, batch, size))
            if len(queue) > depth:
                yield queue.popleft().result()
        while queue:
            yield queue.popleft().result()
