"""Package forms: how a thing is packed, drawn in roles (body, label, content), not in colours."""

from collections.abc import Callable

from PIL import ImageDraw

Box = tuple[int, int, int, int]  # x0, y0, x1, y1 in pixels
Draw = ImageDraw.ImageDraw

# Palette entries: the pixel value of each role.
BACKGROUND, SHELF, BODY, SHADE, SHINE, LABEL, BAND, CAP, CONTENT, RIND, INK, TAG = range(12)


def _bottle(pen: Draw, box: Box) -> Box:
    x0, y0, x1, y1 = box
    q, neck = (x1 - x0) // 6, (y1 - y0) // 3
    pen.rectangle((x0 + q * 5 // 2, y0, x1 - q * 5 // 2, y0 + neck), fill=BODY)
    pen.rectangle((x0 + q * 5 // 2 - 1, y0, x1 - q * 5 // 2 + 1, y0 + 5), fill=CAP)
    pen.rounded_rectangle((x0 + q, y0 + neck - 6, x1 - q, y1), 7, fill=BODY, outline=SHADE)
    pen.rectangle((x0 + q + 2, y0 + neck + 3, x0 + q + 4, y1 - 4), fill=SHINE)
    return x0 + q + 1, y0 + neck + 5, x1 - q - 1, y1 - 7


def _jug(pen: Draw, box: Box) -> Box:
    x0, y0, x1, y1 = box
    q, top = (x1 - x0) // 6, y0 + (y1 - y0) // 4
    pen.rectangle((x0 + 2 * q, y0 + 6, x0 + 3 * q, top), fill=BODY)
    pen.rectangle((x0 + 2 * q - 1, y0, x0 + 3 * q + 1, y0 + 6), fill=CAP)
    pen.rounded_rectangle((x0 + q // 2, top - 2, x1 - q // 2, y1), 6, fill=BODY, outline=SHADE)
    pen.rounded_rectangle((x1 - 2 * q, top + 3, x1 - q, top + 16), 4, fill=BACKGROUND)
    return x0 + q, top + 20, x1 - q, y1 - 5


def _can(pen: Draw, box: Box) -> Box:
    x0, y0, x1, y1 = box
    q, top = (x1 - x0) // 6, y0 + (y1 - y0) // 5
    pen.rectangle((x0 + q, top, x1 - q, y1 - 3), fill=BODY)
    pen.ellipse((x0 + q, y1 - 7, x1 - q, y1), fill=SHADE)
    pen.ellipse((x0 + q, top - 5, x1 - q, top + 4), fill=SHINE, outline=SHADE)
    return x0 + q, top + 8, x1 - q, y1 - 8


def _box(pen: Draw, box: Box) -> Box:
    x0, y0, x1, y1 = box
    pen.polygon([(x1 - 9, y0), (x1, y0 + 5), (x1, y1 - 5), (x1 - 9, y1)], fill=SHADE)
    pen.rectangle((x0, y0, x1 - 9, y1), fill=BODY, outline=SHADE)
    return x0 + 4, y0 + 5, x1 - 13, y1 - 5


def _carton(pen: Draw, box: Box) -> Box:
    x0, y0, x1, y1 = box
    q, roof = (x1 - x0) // 6, y0 + (y1 - y0) // 4
    pen.polygon([(x0 + q, roof), (x0 + 2 * q, y0 + 4), (x1 - 2 * q, y0 + 4), (x1 - q, roof)], SHADE)
    pen.rectangle((x0 + 2 * q, y0, x1 - 2 * q, y0 + 4), fill=CAP)
    pen.rectangle((x0 + q, roof, x1 - q, y1), fill=BODY, outline=SHADE)
    return x0 + q + 2, roof + 4, x1 - q - 2, y1 - 4


def _bag(pen: Draw, box: Box) -> Box:
    x0, y0, x1, y1 = box
    middle = (y0 + y1) // 2
    edge = [(x0 + 3, y0), (x1 - 3, y0), (x1 - 7, y0 + 7), (x1, middle), (x1 - 3, y1)]
    edge += [(x0 + 3, y1), (x0, middle), (x0 + 7, y0 + 7)]
    pen.polygon(edge, fill=BODY, outline=SHADE)
    pen.rectangle((x0 + 3, y0, x1 - 3, y0 + 4), fill=SHADE)
    return x0 + 9, y0 + 13, x1 - 9, y1 - 8


def _jar(pen: Draw, box: Box) -> Box:
    x0, y0, x1, y1 = box
    q, top = (x1 - x0) // 6, y0 + (y1 - y0) // 3
    pen.rectangle((x0 + q + 3, top - 10, x1 - q - 3, top), fill=BODY)
    pen.rounded_rectangle((x0 + q, top, x1 - q, y1), 8, fill=CONTENT, outline=RIND)
    pen.rectangle((x0 + q + 3, top + 6, x0 + q + 5, y1 - 8), fill=TAG)
    return x0 + q + 1, top + 12, x1 - q - 1, y1 - 10


def _tub(pen: Draw, box: Box) -> Box:
    x0, y0, x1, y1 = box
    q, top = (x1 - x0) // 8, y0 + (y1 - y0) // 2
    pen.polygon([(x0 + 2, top), (x1 - 2, top), (x1 - q, y1), (x0 + q, y1)], fill=BODY)
    pen.rounded_rectangle((x0, top - 7, x1, top + 1), 3, fill=CAP)
    return x0 + q + 2, top + 4, x1 - q - 2, y1 - 4


def _cup(pen: Draw, box: Box) -> Box:
    x0, y0, x1, y1 = box
    q, top = (x1 - x0) // 6, y0 + (y1 - y0) * 2 // 5
    pen.polygon([(x0 + q, top), (x1 - q, top), (x1 - 2 * q, y1), (x0 + 2 * q, y1)], fill=BODY)
    pen.ellipse((x0 + q, top - 4, x1 - q, top + 4), fill=SHINE, outline=SHADE)
    return x0 + 2 * q, top + 7, x1 - 2 * q, y1 - 3


def _tray(pen: Draw, box: Box) -> Box:
    x0, y0, x1, y1 = box
    top = y0 + (y1 - y0) // 3
    pen.rounded_rectangle((x0, top, x1, y1), 6, fill=SHADE)
    pen.rounded_rectangle((x0 + 3, top + 3, x1 - 3, y1 - 3), 8, fill=CONTENT, outline=RIND)
    pen.arc((x0 + 8, top + 6, x1 - 8, y1 - 8), 180, 350, fill=RIND, width=3)
    return (x0 + x1) // 2 + 2, (top + y1) // 2, x1 - 4, y1 - 4


def _fruit(pen: Draw, box: Box) -> None:
    x0, _, x1, y1 = box
    r = (x1 - x0) // 4
    for x, y in ((x0 + r, y1 - r), (x1 - r, y1 - r), ((x0 + x1) // 2, y1 - 2 * r - r // 2)):
        pen.ellipse((x - r, y - r, x + r, y + r), fill=CONTENT, outline=RIND)
        pen.ellipse((x - r // 2, y - r // 2, x - r // 4, y - r // 4), fill=TAG)
        pen.line((x, y - r, x + 3, y - r - 5), fill=RIND, width=2)


def _leaves(pen: Draw, box: Box) -> None:
    x0, y0, x1, y1 = box
    x, step = (x0 + x1) // 2, (x1 - x0) // 5
    for offset in (-2, 2, -1, 1, 0):
        centre = x + offset * step // 2
        top = y0 + abs(offset) * 8 + (y1 - y0) // 6
        pen.ellipse((centre - step, top, centre + step, y1 - 14), fill=CONTENT, outline=RIND)
    pen.rectangle((x - step // 2, y1 - 22, x + step // 2, y1), fill=RIND)


def _loaf(pen: Draw, box: Box) -> Box:
    x0, y0, x1, y1 = box
    top = y0 + (y1 - y0) // 3
    pen.rounded_rectangle((x0, top, x1, y1), 12, fill=CONTENT, outline=RIND)
    pen.rectangle((x0 + 8, top + 1, x1 - 8, y1 - 1), fill=BODY)
    pen.polygon([(x1, top + 12), (x1 + 6, top + 4), (x1 + 6, top + 22)], fill=CAP)
    return x0 + 10, top + 5, x1 - 10, y1 - 5


def _bar(pen: Draw, box: Box) -> Box:
    x0, _, x1, y1 = box
    top = y1 - (x1 - x0) * 2 // 5
    pen.rectangle((x0, top, x1, y1), fill=BODY)
    for x in range(x0, x1, 4):
        pen.rectangle((x, top - 2, x + 1, top), fill=SHADE)
    return x0 + 6, top + 3, x1 - 6, y1 - 3


def _roll(pen: Draw, box: Box) -> Box:
    x0, y0, x1, y1 = box
    q = (x1 - x0) // 6
    pen.rectangle((x0 + q, y0 + 8, x1 - q, y1 - 5), fill=TAG)
    pen.ellipse((x0 + q, y1 - 12, x1 - q, y1), fill=TAG, outline=SHADE)
    pen.ellipse((x0 + q, y0, x1 - q, y0 + 16), fill=SHINE, outline=SHADE)
    pen.ellipse((x0 + 2 * q + 4, y0 + 4, x1 - 2 * q - 4, y0 + 12), fill=SHADE)
    return x0 + q, y0 + 22, x1 - q, y1 - 14


def _tube(pen: Draw, box: Box) -> Box:
    x0, y0, x1, y1 = box
    q = (x1 - x0) // 6
    pen.polygon([(x0 + q, y0), (x1 - q, y0), (x1 - 2 * q, y1 - 10), (x0 + 2 * q, y1 - 10)], BODY)
    pen.rectangle((x0 + q, y0, x1 - q, y0 + 4), fill=SHADE)
    pen.rectangle((x0 + 2 * q + 3, y1 - 10, x1 - 2 * q - 3, y1), fill=CAP)
    return x0 + 2 * q, y0 + 9, x1 - 2 * q, y1 - 16


def _card(pen: Draw, box: Box) -> Box:
    x0, y0, x1, y1 = box
    pen.polygon([(x0 + 6, y0 + 3), (x1, y0), (x1 - 3, y1), (x0 + 3, y1)], fill=SHADE)
    pen.rectangle((x0 + 2, y0 + 5, x1 - 5, y1), fill=BODY, outline=SHADE)
    return x0 + 6, y0 + 9, x1 - 9, y1 - 5


def _bouquet(pen: Draw, box: Box) -> None:
    x0, y0, x1, y1 = box
    x, r = (x0 + x1) // 2, (x1 - x0) // 7
    pen.polygon(
        [(x0 + r, (y0 + y1) // 2), (x1 - r, (y0 + y1) // 2), (x + 4, y1), (x - 4, y1)], BODY
    )
    for column, row in ((-2, 1), (0, 1), (2, 1), (-1, 0), (1, 0)):
        cx, cy = x + column * r, y0 + r + row * 2 * r + 4
        pen.ellipse((cx - r, cy - r, cx + r, cy + r), fill=CONTENT, outline=RIND)
        pen.ellipse((cx - r // 3, cy - r // 3, cx + r // 3, cy + r // 3), fill=BAND)


# How a thing is packed; each draws into a box and returns where its label goes, if it has one.
FORMS: dict[str, Callable[[Draw, Box], Box | None]] = {
    "bottle": _bottle,
    "jug": _jug,
    "can": _can,
    "box": _box,
    "carton": _carton,
    "bag": _bag,
    "jar": _jar,
    "tub": _tub,
    "cup": _cup,
    "tray": _tray,
    "fruit": _fruit,
    "leaves": _leaves,
    "loaf": _loaf,
    "bar": _bar,
    "roll": _roll,
    "tube": _tube,
    "card": _card,
    "bouquet": _bouquet,
}
