"""Encoded pictures to pixels; without torch, so that a server decodes as training does."""

import io

import numpy as np
from PIL import Image

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
