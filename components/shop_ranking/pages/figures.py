"""Figures of the operations page, made of feedback ingestion's tables; no chart is drawn here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pandas as pd
from markupsafe import Markup

from components.platform.metrics.intervals import wilson
from components.platform.pages.charts import Series, bar_chart, legend, line_chart

WEEK = timedelta(days=7)
MOST_CATEGORIES = 8
SUMS = ["impressions", "clicks", "purchases", "revenue"]


@dataclass(frozen=True)
class Feedback:
    """What has been taken in; one row as said, `day` a datetime.date everywhere."""

    metrics: pd.DataFrame  # day, surface, model_version: impressions, clicks, purchases, revenue
    sales: pd.DataFrame  # day, category: revenue
    spend: pd.DataFrame  # day: amount charged for clicks on sponsored items


@dataclass(frozen=True)
class Tile:
    """One number of the last week, and its change against the week before."""

    name: str
    value: str
    change: float | None  # share


@dataclass(frozen=True)
class Chart:
    """A picture with its words."""

    name: str
    note: str
    picture: Markup
    legend: Markup


@dataclass(frozen=True)
class Report:
    """All that the page shows of feedback."""

    first: date
    last: date
    tiles: tuple[Tile, ...]
    charts: tuple[Chart, ...]
    categories: tuple[dict[str, Any], ...]
    table: tuple[dict[str, Any], ...]


def report(feedback: Feedback) -> Report | None:
    """Return the figures, None where no day has been taken in."""
    metrics = feedback.metrics
    if metrics.empty:
        return None
    last = max(metrics["day"])
    return Report(
        first=min(metrics["day"]),
        last=last,
        tiles=_tiles(feedback, last),
        charts=_charts(feedback),
        categories=_categories(feedback.sales, last),
        table=_table(metrics),
    )


def percent(value: float) -> str:
    """Write a share."""
    return f"{100 * value:.2g}%" if 0 < value < 0.01 else f"{100 * value:.1f}%"


def count(value: float) -> str:
    """Write a number."""
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2f}"


def _tiles(feedback: Feedback, last: date) -> tuple[Tile, ...]:
    now, before = ({**_sums(feedback, end)} for end in (last, last - WEEK))
    tiles = []
    for name, of, said in (
        ("Impressions", lambda s: s["impressions"], count),
        ("CTR", lambda s: _share(s["clicks"], s["impressions"]), percent),
        ("CVR", lambda s: _share(s["purchases"], s["clicks"]), percent),
        ("Revenue of shown items", lambda s: s["revenue"], count),
        ("Advertising budget spent", lambda s: s["spend"], count),
    ):
        value, old = of(now), of(before)
        tiles.append(Tile(name, said(value), value / old - 1 if old else None))
    return tuple(tiles)


def _sums(feedback: Feedback, end: date) -> dict[str, float]:
    """Add up the 7 days that end with `end`."""

    def week(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[(frame["day"] > end - WEEK) & (frame["day"] <= end)]

    sums = {name: float(value) for name, value in week(feedback.metrics)[SUMS].sum().items()}
    return sums | {"spend": float(week(feedback.spend)["amount"].sum())}


def _share(above: float, below: float) -> float:
    return above / below if below else 0.0


def _charts(feedback: Feedback) -> tuple[Chart, ...]:
    daily = feedback.metrics.groupby(["day", "model_version"], as_index=False)[SUMS].sum()
    versions = sorted(daily["model_version"].unique(), key=_numbered)
    names = legend(versions)
    ctr = [_share_series(daily, version, "clicks", "impressions") for version in versions]
    cvr = [_share_series(daily, version, "purchases", "clicks") for version in versions]
    money = [_sum_series(daily, version, "revenue") for version in versions]
    shown = [_sum_series(daily, version, "impressions") for version in versions]
    charts: list[Chart | None] = [
        _chart("Click-through rate", "clicks of impressions, by model; band: 95%", line_chart, ctr,
               percent, names),
        _chart("Conversion rate", "purchases of clicks, by model; band: 95%", line_chart, cvr,
               percent, names),
        _chart("Revenue", "of items bought after being shown, by model", bar_chart, money, count,
               names),
        _chart("Model versions", "impressions a day, by the model that answered", bar_chart, shown,
               count, names),
    ]  # fmt: skip
    if not feedback.spend.empty:
        paid = feedback.spend.groupby("day", as_index=False)["amount"].sum()
        line = Series("spent", paid["day"].tolist(), paid["amount"].tolist())
        charts.append(
            _chart("Advertising budget spent", "charged for clicks", bar_chart, [line], count,
                   Markup())
        )  # fmt: skip
    return tuple(chart for chart in charts if chart is not None)


def _chart(
    name: str,
    note: str,
    draw: Callable[[str, Sequence[Series], Callable[[float], str]], Markup],
    series: Sequence[Series],
    said: Callable[[float], str],
    names: Markup,
) -> Chart | None:
    """Return a chart, None where no series has a day: nothing was clicked yet, say."""
    if not any(line.days for line in series):
        return None
    return Chart(name, note, draw(f"{name}: {note}", series, said), names)


def _share_series(daily: pd.DataFrame, version: str, above: str, below: str) -> Series:
    rows = daily[(daily["model_version"] == version) & (daily[below] > 0)]
    low, high = wilson(rows[above].to_numpy(), rows[below].to_numpy())
    share = (rows[above] / rows[below]).clip(upper=1.0)
    return Series(version, rows["day"].tolist(), share.tolist(), low.tolist(), high.tolist())


def _sum_series(daily: pd.DataFrame, version: str, column: str) -> Series:
    rows = daily[daily["model_version"] == version]
    return Series(version, rows["day"].tolist(), rows[column].astype(float).tolist())


def _categories(sales: pd.DataFrame, last: date) -> tuple[dict[str, Any], ...]:
    """Return the categories that sell most, and those that fell most against the week before."""
    weeks = {
        name: sales[(sales["day"] > end - WEEK) & (sales["day"] <= end)]
        .groupby("category")["revenue"]
        .sum()
        for name, end in (("revenue", last), ("before", last - WEEK))
    }
    both = pd.DataFrame(weeks).fillna(0.0)
    both["change"] = both["revenue"] - both["before"]
    comparable = bool(both["before"].sum())
    top = both.sort_values(["revenue"], ascending=False).head(MOST_CATEGORIES)
    falling = both[both["change"] < 0].sort_values("change").head(MOST_CATEGORIES)
    note = "revenue of all purchases, last 7 days; change against the 7 days before"
    return (
        {"name": "Top categories", "note": note, "lines": _lines(top)},
        {
            "name": "Falling categories",
            "note": note if comparable else "needs feedback of two weeks",
            "lines": _lines(falling) if comparable else [],
        },
    )


def _lines(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [{"category": str(name)} | line for name, line in
            zip(rows.index, rows.to_dict("records"), strict=True)]  # fmt: skip


def _table(metrics: pd.DataFrame) -> tuple[dict[str, Any], ...]:
    keys = ["surface", "model_version"]
    sums = metrics.groupby(keys, as_index=False).agg(
        first=("day", "min"), last=("day", "max"), **{name: (name, "sum") for name in SUMS}
    )
    low, high = wilson(sums["clicks"].to_numpy(), sums["impressions"].to_numpy())
    return tuple(
        {
            "surface": row["surface"].replace("_", " "),
            "model": row["model_version"],
            "days": f"{row['first']:%d %b} – {row['last']:%d %b}",
            "impressions": count(row["impressions"]),
            "ctr": percent(_share(row["clicks"], row["impressions"])),
            "interval": f"{percent(below)} – {percent(above)}",
            "cvr": percent(_share(row["purchases"], row["clicks"])),
            "revenue": count(row["revenue"]),
        }
        for row, below, above in zip(sums.to_dict("records"), low, high, strict=True)
    )


def _numbered(version: str) -> tuple[str, int]:
    """Order fused-ranker/10 after fused-ranker/9."""
    name, _, number = version.rpartition("/")
    return (name, int(number)) if number.isdigit() else (version, 0)
