"""What the data holds, in numbers: reports/data_summary/summary.json."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
from ibis.expr.types import Table

from components.platform.files import read_table
from components.shop_ranking.data_preparation.cuts import Cut

PRICE_BINS_A_DECADE = 10
DISCOUNT_BIN = 0.05
RANKS = 120  # points of the popularity curve
QUANTILES = {"p10": 0.1, "median": 0.5, "p90": 0.9, "p99": 0.99}


def summarise(
    events: Table,
    orders: Table,
    visits: Table,
    *,
    cuts: list[Cut],
    prepared: Path,
    ingestion: dict[str, Any],
    rules: dict[str, Any],
) -> dict[str, Any]:
    """Return every number of the data summary as plain values.

    `visits` has one row a (user_index, product, session) with its timestamp; `prepared` is the
    folder with the written tables; `rules` is shown as it is.
    """
    return {
        "dataset": ingestion.get("dataset"),
        "simulated": bool(ingestion.get("simulated")),
        "images": ingestion.get("images", "unknown"),
        "rules": rules,
        "events": _events(events),
        "baskets": _baskets(visits),
        "popularity": _popularity(visits),
        "repeats": _repeats(visits),
        "prices": _prices(orders),
        "cuts": [_cut(cut, prepared / "cuts" / cut.name) for cut in cuts],
        "items": _modalities(prepared / "items.parquet"),
        "ingestion": {
            name: ingestion.get(name) or {}
            for name in ("rows", "quarantined", "excluded", "repeated")
        },
    }


def _rows(expression: Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = expression.to_pyarrow().to_pylist()
    return rows


def _events(events: Table) -> dict[str, Any]:
    week = events.timestamp.truncate("W").cast("date").cast("string")
    weekly = events.group_by(week=week, kind="event_type").aggregate(n=events.count())
    by_type: dict[str, dict[str, int]] = {}
    for row in _rows(weekly.order_by("kind", "week")):
        by_type.setdefault(row["kind"], {})[row["week"]] = row["n"]
    totals = _rows(
        events.aggregate(
            count=events.count(),
            shoppers=events.user_id.nunique(),
            items=events.item_id.nunique(),
            first=events.timestamp.min().cast("date").cast("string"),
            last=events.timestamp.max().cast("date").cast("string"),
        )
    )[0]
    return {**totals, "by_week": by_type}


def _baskets(visits: Table) -> dict[str, Any]:
    sizes = visits.group_by("user_index", "session").aggregate(size=visits.count())
    counted = _rows(sizes.group_by("size").aggregate(sessions=sizes.count()).order_by("size"))
    size = np.repeat([row["size"] for row in counted], [row["sessions"] for row in counted])
    return {
        "sessions": len(size),
        "mean": float(size.mean()),
        **_quantiles(size),
        "sessions_by_size": {str(row["size"]): row["sessions"] for row in counted},
    }


def _popularity(visits: Table) -> dict[str, Any]:
    """Sessions of the item at some ranks, and the share of all visits that the head takes."""
    counts = visits.group_by("product").aggregate(sessions=visits.count())
    sessions = np.sort(counts.to_pyarrow()["sessions"].to_numpy())[::-1]
    ranks = np.unique(np.geomspace(1, len(sessions), RANKS).round().astype(int))
    total = sessions.sum()
    head = {
        f"top_{share:.0%}": float(sessions[: max(round(share * len(sessions)), 1)].sum() / total)
        for share in (0.01, 0.1, 0.2)
    }
    curve = [[int(rank), int(sessions[rank - 1])] for rank in ranks]
    return {"items": len(sessions), "visits": int(total), "share": head, "curve": curve}


def _repeats(visits: Table) -> dict[str, Any]:
    """Share of visits to an item that the shopper had visited before, by week."""
    first = visits.group_by("user_index", "product").aggregate(timestamp=visits.timestamp.min())
    by_week = [
        rows.group_by(week=rows.timestamp.truncate("W").cast("date").cast("string")).aggregate(
            n=rows.count()
        )
        for rows in (visits, first)
    ]
    every, new = [{row["week"]: row["n"] for row in _rows(rows)} for rows in by_week]
    span = visits.aggregate(
        first=visits.timestamp.min().cast("date").cast("string"),
        last=visits.timestamp.max().cast("date").cast("string"),
    )
    weeks = {
        week: {"visits": every[week], "share": 1 - new.get(week, 0) / every[week]}
        for week in sorted(every)
    }
    return {**_rows(span)[0], "by_week": weeks}


def _prices(orders: Table) -> dict[str, Any]:
    """Histograms of the unit price (log bins) and of the discount's share of the full price."""
    priced = orders.filter(orders.unit_price > 0, orders.quantity > 0)
    step = (priced.unit_price.log10() * PRICE_BINS_A_DECADE).floor().cast("int32")
    prices = priced.group_by(bin=step).aggregate(lines=priced.count()).order_by("bin")
    paid = priced.unit_price * priced.quantity
    off = (priced.discount.fill_null(0.0) / (paid + priced.discount.fill_null(0.0))).clip(0, 1)
    cheaper = priced.mutate(off=off).filter(lambda row: row.off > 0)
    place = (cheaper.off / DISCOUNT_BIN - 1e-6).floor().cast("int32")
    discounts = cheaper.group_by(bin=place).aggregate(lines=cheaper.count()).order_by("bin")
    by_price, by_discount = _rows(prices), _rows(discounts)
    lines = sum(row["lines"] for row in by_price)
    discounted = sum(row["lines"] for row in by_discount)
    return {
        "lines": lines,
        "discounted_share": discounted / lines if lines else None,
        "lines_by_price_from": {
            f"{10 ** (row['bin'] / PRICE_BINS_A_DECADE):.4g}": row["lines"] for row in by_price
        },
        "lines_by_discount_from": {
            f"{row['bin'] * DISCOUNT_BIN:.2f}": row["lines"] for row in by_discount
        },
    }


def _cut(cut: Cut, folder: Path) -> dict[str, Any]:
    """Return sizes of one cut's tables; an evaluated shopper has both history and targets."""
    histories = read_table(folder / "sequences.parquet", ["user_index", "item_index"])
    lengths = pc.list_value_length(histories["item_index"]).to_numpy()
    targets = read_table(folder / "targets.parquet")
    wanting = pc.unique(targets["user_index"])
    eligible = read_table(folder / "item_stats.parquet", ["eligible"])["eligible"]
    known = pc.is_in(wanting, value_set=histories["user_index"])
    return {
        "name": cut.name,
        "role": cut.role,
        "day": cut.day.isoformat(),
        "end": (cut.day if cut.role == "final" else cut.end.date()).isoformat(),
        "eligible_items": pc.sum(eligible).as_py(),
        "shoppers": len(lengths),
        "lines": int(lengths.sum()),
        "sequence_length": _quantiles(lengths),
        "length_by_share": np.quantile(lengths, np.linspace(0, 1, 201)).tolist(),
        "targets": targets.num_rows,
        "repeat_share_of_targets": pc.mean(targets["is_repeat"]).as_py() or 0.0,
        "evaluated_shoppers": pc.sum(known).as_py() or 0,
        "new_shoppers": len(wanting) - (pc.sum(known).as_py() or 0),
    }


def _modalities(path: Path) -> dict[str, int]:
    """Return how many catalogue items have text, a picture, both or neither, and a price."""
    items = read_table(path, ["text", "has_image", "price"])
    text, image = items["text"].is_valid().to_numpy(), items["has_image"].to_numpy()
    return {
        "catalogue": items.num_rows,
        "text_and_picture": int((text & image).sum()),
        "text_only": int((text & ~image).sum()),
        "picture_only": int((~text & image).sum()),
        "neither": int((~text & ~image).sum()),
        "with_price": items.num_rows - items["price"].null_count,
    }


def _quantiles(values: np.ndarray) -> dict[str, float]:
    if len(values) == 0:
        return {}
    return {name: float(np.quantile(values, q)) for name, q in QUANTILES.items()}
