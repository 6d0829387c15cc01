"""Draw one product picture from attributes: a package on a shelf, as a small palette PNG.

Pixels hold roles (body, label, content ...), the palette gives each role its colour. So the shapes
of one (form, pattern, emblem, scale) are drawn once and every brand that uses them only swaps the
palette. The same Picture gives the same bytes on every machine: no fonts or clocks are read.
"""

import colorsys
import io
import zlib
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from components.shop_ranking.data_ingestion.pictures.forms import (
    BACKGROUND,
    BAND,
    CONTENT,
    FORMS,
    INK,
    LABEL,
    RIND,
    SHELF,
    TAG,
    Box,
    Draw,
)

SIDE = 96  # pixels
RGB = tuple[int, int, int]

PATTERNS = ("plain", "band", "stripes", "dots", "diagonal", "frame")
EMBLEMS = ("circle", "square", "diamond", "triangle", "drop", "cross", "ring", "bars")
SCALES = (0.72, 0.86, 1.0)


@dataclass(frozen=True)
class Picture:
    """Everything that is drawn. Colours are RGB 0..255; `scale` is the package's size in SCALES."""

    form: str  # one of FORMS
    body: RGB
    label: RGB
    band: RGB
    content: RGB
    pattern: str = "plain"  # one of PATTERNS
    emblem: str = "circle"  # one of EMBLEMS
    scale: float = 1.0
    size: str = ""  # printed on the shelf tag


def colour_of(name: str, saturation: float = 0.65, value: float = 0.8) -> RGB:
    """Return a colour that depends on `name` alone, e.g. a manufacturer's."""
    hue = zlib.crc32(name.encode()) % 3600 / 3600
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def pick(name: str, options: tuple[str, ...]) -> str:
    """Return the choice that depends on `name` alone."""
    return options[zlib.crc32(name.encode()) % len(options)]


def draw(picture: Picture) -> bytes:
    """Return the picture as PNG bytes, SIDE x SIDE pixels, 16 colours."""
    image = _shapes(picture.form, picture.pattern, picture.emblem, picture.scale).copy()
    if picture.size:
        pen = ImageDraw.Draw(image)
        width = pen.textlength(picture.size, font=_font())
        pen.rectangle((46 - width // 2, SIDE - 14, 50 + width // 2, SIDE - 2), fill=TAG)
        pen.text((48 - width // 2, SIDE - 14), picture.size, fill=INK, font=_font())
    image.putpalette([channel for colour in _palette(picture) for channel in colour])
    png = io.BytesIO()
    image.save(png, "PNG", compress_level=6)
    return png.getvalue()


def _palette(picture: Picture) -> list[RGB]:
    body, content = picture.body, picture.content
    ink = (20, 20, 24)
    roles = [(238, 240, 243), (196, 190, 180), body, _mix(body, (0, 0, 0), 0.3)]
    roles += [_mix(body, (255, 255, 255), 0.45), picture.label, picture.band]
    roles += [_mix(picture.band, (0, 0, 0), 0.2), content, _mix(content, (0, 0, 0), 0.3), ink]
    return [*roles, (255, 255, 255), *[(0, 0, 0)] * (16 - len(roles) - 1)]


def _mix(colour: RGB, other: RGB, share: float) -> RGB:
    red, green, blue = (
        round(a * (1 - share) + b * share) for a, b in zip(colour, other, strict=True)
    )
    return red, green, blue


@lru_cache(maxsize=1)
def _font() -> ImageFont.ImageFont:
    return ImageFont.load_default_imagefont()  # a bitmap inside Pillow, 6x11 pixels a letter


@lru_cache(maxsize=4096)
def _shapes(form: str, pattern: str, emblem: str, scale: float) -> Image.Image:
    """Return pixels of roles for one combination of shapes."""
    image = Image.new("P", (SIDE, SIDE), BACKGROUND)
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, SIDE - 16, SIDE, SIDE), fill=SHELF)
    half, height = round(34 * scale), round(74 * scale)
    label = FORMS[form](pen, (48 - half, SIDE - 16 - height, 48 + half, SIDE - 16))
    if label is not None:
        pen.rectangle(label, fill=LABEL)
        _draw_pattern(pen, label, pattern)
        _draw_emblem(pen, label, emblem)
    return image


def _draw_pattern(pen: Draw, box: Box, pattern: str) -> None:
    x0, y0, x1, y1 = box
    if pattern == "band":
        pen.rectangle((x0, y0, x1, y0 + (y1 - y0) // 4), fill=BAND)
    elif pattern == "stripes":
        for x in range(x0 + 2, x1 - 1, 7):
            pen.rectangle((x, y0, x + 2, y1), fill=BAND)
    elif pattern == "dots":
        for x in range(x0 + 3, x1 - 2, 7):
            for y in range(y0 + 3, y1 - 2, 7):
                pen.rectangle((x, y, x + 2, y + 2), fill=BAND)
    elif pattern == "diagonal":
        pen.polygon([(x0, y1), (x0, y1 - (y1 - y0) // 2), (x1, y0), (x1, y0 + 6)], fill=BAND)
    elif pattern == "frame":
        pen.rectangle(box, outline=BAND, width=3)


def _draw_emblem(pen: Draw, box: Box, emblem: str) -> None:
    """Draw what is inside the package, in its own colour, at the label's centre."""
    x, y = (box[0] + box[2]) // 2, (box[1] + box[3]) // 2 + 1
    r = max(4, min(box[2] - box[0], box[3] - box[1]) * 3 // 10)
    square = (x - r, y - r, x + r, y + r)
    if emblem == "circle":
        pen.ellipse(square, fill=CONTENT, outline=RIND)
    elif emblem == "square":
        pen.rectangle(square, fill=CONTENT, outline=RIND)
    elif emblem == "diamond":
        corners = [(x, y - r), (x + r, y), (x, y + r), (x - r, y)]
        pen.polygon(corners, fill=CONTENT, outline=RIND)
    elif emblem == "triangle":
        pen.polygon([(x, y - r), (x + r, y + r), (x - r, y + r)], fill=CONTENT, outline=RIND)
    elif emblem == "drop":
        pen.polygon([(x, y - r), (x + r // 2, y), (x - r // 2, y)], fill=CONTENT)
        pen.ellipse((x - r // 2 - 1, y - r // 3, x + r // 2 + 1, y + r), fill=CONTENT)
    elif emblem == "cross":
        pen.rectangle((x - r // 3, y - r, x + r // 3, y + r), fill=CONTENT)
        pen.rectangle((x - r, y - r // 3, x + r, y + r // 3), fill=CONTENT)
    elif emblem == "ring":
        pen.ellipse(square, outline=CONTENT, width=max(3, r // 3))
    else:
        for offset in (-r, -r // 4, r // 2):
            pen.rectangle((x - r, y + offset, x + r, y + offset + r // 3), fill=CONTENT)
