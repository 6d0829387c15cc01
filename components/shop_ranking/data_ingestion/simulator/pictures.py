"""Pictures of the simulated world: one coloured shape each, drawn with Pillow."""

import io
import math

import numpy as np
from PIL import Image, ImageDraw

SIZE = 96  # pixels a side; drawn at twice that and scaled down for smooth edges
COLOURS = (
    (205, 50, 45),
    (235, 135, 30),
    (235, 205, 50),
    (60, 150, 70),
    (45, 170, 185),
    (50, 85, 190),
    (130, 65, 165),
    (225, 120, 170),
)
CORNERS = (0, 3, 4, 10)  # 0 is a disc, 10 the corners of a five-pointed star


def draw(colour: int, shape: int, rng: np.random.Generator) -> bytes:
    """Return a PNG of one shape; size, turn, place and shade vary a little from item to item."""
    size = 2 * SIZE
    shade = rng.integers(-18, 19, 3)
    ink = tuple(int(value) for value in np.clip(np.array(COLOURS[colour]) + shade, 0, 255))
    paper = tuple(int(value) for value in rng.integers(232, 250, 3))
    radius = size * rng.uniform(0.30, 0.38)
    x, y = size / 2 + rng.uniform(-0.06, 0.06, 2) * size
    picture = Image.new("RGB", (size, size), paper)
    pen = ImageDraw.Draw(picture)
    if CORNERS[shape] == 0:
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ink)
    else:
        pen.polygon(_corners(CORNERS[shape], x, y, radius, rng.uniform(-0.2, 0.2)), fill=ink)
    out = io.BytesIO()
    picture.resize((SIZE, SIZE), Image.Resampling.LANCZOS).save(out, "PNG")
    return out.getvalue()


def _corners(
    count: int, x: float, y: float, radius: float, turn: float
) -> list[tuple[float, float]]:
    """Return a regular polygon's corners; ten corners alternate in radius and make a star."""
    angles = [turn - math.pi / 2 + 2 * math.pi * k / count for k in range(count)]
    reach = [radius * (0.42 if count == 10 and k % 2 else 1.0) for k in range(count)]
    return [(x + r * math.cos(a), y + r * math.sin(a)) for r, a in zip(reach, angles, strict=True)]


def colour_codes(pictures: list[bytes], hues: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Return what a glance at each picture tells: (hue code 0..hues, brightness code 0..2).

    The hue is that of the mean colour of the pixels that differ from the corner pixel (the
    background); grey pictures get the extra code `hues`. Brightness is cut into thirds.
    """
    means = np.array([_mean_ink(picture) for picture in pictures]).reshape(-1, 3)  # in 0..1
    high, low = means.max(1), means.min(1)
    spread = np.maximum(high - low, 1e-6)
    red, green, blue = means.T
    hue = np.select(
        [high == red, high == green],
        [((green - blue) / spread) % 6, (blue - red) / spread + 2],
        (red - green) / spread + 4,
    )
    code = (hue / 6 * hues + 0.5).astype(np.int64) % hues  # red, at 0, is the middle of its code
    grey = (high - low) < 0.08
    return np.where(grey, hues, code), np.minimum((high * 3).astype(np.int64), 2)


def _mean_ink(encoded: bytes) -> np.ndarray:
    pixels = np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB").resize((32, 32))) / 255.0
    ink = np.abs(pixels - pixels[0, 0]).sum(2) > 0.15
    return pixels[ink].mean(0) if ink.any() else pixels.mean((0, 1))
