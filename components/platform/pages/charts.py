"""Charts as inline SVG: made here, coloured by the style sheet, readable without a script."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date

from markupsafe import Markup, escape

WIDTH, HEIGHT = 560, 210
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 12, 26
COLOURS = 6  # in the style sheet


@dataclass(frozen=True)
class Series:
    """One line: a value a day, and optionally its interval."""

    name: str
    days: Sequence[date]
    values: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None


@dataclass(frozen=True)
class _Scale:
    """From a day and a value to a place in the picture."""

    first: date
    span: int  # days
    top: float
    inset: float = 0.0  # half a column, so that the outer ones have room

    def x(self, day: date) -> float:
        left, right = LEFT + self.inset, WIDTH - RIGHT - self.inset
        if self.span == 0:
            return (left + right) / 2
        return left + (day - self.first).days / self.span * (right - left)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - min(value / self.top, 1.0) * (HEIGHT - TOP - BOTTOM)

    def points(self, days: Sequence[date], values: Sequence[float]) -> str:
        return " ".join(
            f"{self.x(day):.1f},{self.y(value):.1f}"
            for day, value in zip(days, values, strict=True)
        )


def line_chart(name: str, series: Sequence[Series], said: Callable[[float], str]) -> Markup:
    """Return lines over days from zero up; `said` writes a value on the axis.

    At least one series has a day. Intervals are bands. Series beyond the style sheet's colours
    share them.
    """
    scale = _scale(series)
    parts = [*_axes(scale, said)]
    for place, line in enumerate(series):
        colour = place % COLOURS + 1
        if line.low is not None and line.high is not None:
            there = scale.points(line.days, line.high)
            back = scale.points(line.days[::-1], line.low[::-1])
            parts.append(f'<polygon class="band fill-{colour}" points="{there} {back}"></polygon>')
        points = scale.points(line.days, line.values)
        parts.append(f'<polyline class="line line-{colour}" points="{points}"></polyline>')
        parts += [
            f'<circle class="fill-{colour}" cx="{scale.x(day):.1f}" cy="{scale.y(value):.1f}" '
            f'r="2.5"><title>{escape(line.name)}, {day:%Y-%m-%d}: {escape(said(value))}</title>'
            "</circle>"
            for day, value in zip(line.days, line.values, strict=True)
        ]
    return _picture(name, parts)


def bar_chart(name: str, series: Sequence[Series], said: Callable[[float], str]) -> Markup:
    """Return a column a day, the series stacked in their order; at least one has a day."""
    totals: dict[date, float] = {}
    for layer in series:
        for day, value in zip(layer.days, layer.values, strict=True):
            totals[day] = totals.get(day, 0.0) + value
    stacked = Series(name, sorted(totals), [totals[day] for day in sorted(totals)])
    scale = _scale([stacked])
    wide = max(2.0, min(26.0, 0.7 * (WIDTH - LEFT - RIGHT) / (scale.span + 1)))
    scale = replace(scale, inset=wide / 2)
    parts, below = [*_axes(scale, said)], dict.fromkeys(totals, 0.0)
    for place, layer in enumerate(series):
        for day, value in zip(layer.days, layer.values, strict=True):
            bottom, top = scale.y(below[day]), scale.y(below[day] + value)
            below[day] += value
            left = scale.x(day) - wide / 2
            parts.append(
                f'<rect class="fill-{place % COLOURS + 1}" x="{left:.1f}" y="{top:.1f}" '
                f'width="{wide:.1f}" height="{max(bottom - top, 0):.1f}">'
                f"<title>{escape(layer.name)}, {day:%Y-%m-%d}: {escape(said(value))}</title></rect>"
            )
    return _picture(name, parts)


def legend(names: Sequence[str]) -> Markup:
    """Return the names with the colours that the charts give them in this order."""
    lines = (
        f'<li><svg viewBox="0 0 10 10" aria-hidden="true"><rect class="fill-{n % COLOURS + 1}" '
        f'width="10" height="10" rx="2"></rect></svg>{escape(name)}</li>'
        for n, name in enumerate(names)
    )
    return Markup(f'<ul class="legend">{"".join(lines)}</ul>')  # noqa: S704 - escaped above


def _scale(series: Sequence[Series]) -> _Scale:
    days = [day for line in series for day in line.days]
    highest = max((v for line in series for v in (line.high or line.values)), default=0.0)
    first = min(days)
    return _Scale(first, (max(days) - first).days, _round_up(highest) or 1.0)


def _round_up(value: float) -> float:
    """Return the next 1, 2, 2.5 or 5 times a power of ten, so that the axis reads well."""
    if value <= 0:
        return 0.0
    power = 10.0 ** (len(str(int(value))) - 1) if value >= 1 else 1.0
    while power > value:
        power /= 10
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value * 0.9999)


def _axes(scale: _Scale, said: Callable[[float], str]) -> list[str]:
    parts = []
    for share in (0.0, 0.5, 1.0):
        value = share * scale.top
        y = scale.y(value)
        parts.append(f'<line class="rule" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(
            f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{escape(said(value))}</text>'
        )
    marks = sorted({0, scale.span // 2, scale.span})
    for n, offset in enumerate(marks):
        day = date.fromordinal(scale.first.toordinal() + offset)
        anchor = (
            "middle" if len(marks) == 1 else ("start", "middle", "end")[n * 2 // (len(marks) - 1)]
        )
        parts.append(
            f'<text x="{scale.x(day):.1f}" y="{HEIGHT - 7}" text-anchor="{anchor}">'
            f"{day:%d %b}</text>"
        )
    return parts


def _picture(name: str, parts: Sequence[str]) -> Markup:
    """Join parts in which every text is escaped already."""
    return Markup(  # noqa: S704
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(name)}">'
        f"<title>{escape(name)}</title>{''.join(parts)}</svg>"
    )
