"""Encoded pictures to pixels, ahead of the network that reads them."""

import io
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from PIL import Image
from torch import Tensor

UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)


def decode(picture: bytes, size: int) -> np.ndarray | None:
    """Return the picture as (size, size, 3) uint8, stretched to a square; None if unreadable.

    Transparent parts become white, as a shop shows them.
    """
    try:
        with Image.open(io.BytesIO(picture)) as opened:
            opened.draft("RGB", (size, size))  # a JPEG of many megapixels is read at low cost
            image: Image.Image = opened
            if opened.mode in {"RGBA", "LA", "PA"} or "transparency" in opened.info:
                image = opened.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            return np.asarray(
                image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR, reducing_gap=2)
            )
    except UNREADABLE:
        return None


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
