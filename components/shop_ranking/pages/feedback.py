"""Reads what feedback ingestion left in the store: a folder a day, replaced whole."""

import io
import re
from collections.abc import Callable
from datetime import date, datetime
from functools import lru_cache

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.platform import storage
from components.platform.feedback.days import latest_shown
from components.shop_ranking.pages.figures import Feedback

PREFIX = "feedback/"
DAYS = 120  # latest that are shown
PLACE = re.compile(r"feedback/day=(\d{4}-\d{2}-\d{2})/(metrics|events)\.parquet")


def read_feedback(category_of: Callable[[str], str | None]) -> Feedback:
    """Return the latest days; `category_of` knows the category of an item.

    Raises:
        StorageError: the store cannot be reached.

    """
    objects: dict[str, dict[date, storage.Stored]] = {"metrics": {}, "events": {}}
    for stored in storage.stored(PREFIX):
        if match := PLACE.fullmatch(stored.key):
            objects[match[2]][date.fromisoformat(match[1])] = stored
    kept = objects["metrics"]
    metrics = latest_shown(kept, lambda day: _metrics(kept[day].key, kept[day].modified), DAYS)
    trading = {day: stored for day, stored in objects["events"].items() if day in metrics}
    trade = {day: _trade(stored.key, stored.modified) for day, stored in trading.items()}
    sales = [sold.assign(day=day) for day, (sold, _) in trade.items()]
    joined = pd.concat(sales) if sales else pd.DataFrame(columns=["item_id", "revenue", "day"])
    joined["category"] = [_short(category_of(item)) for item in joined["item_id"]]
    return Feedback(
        metrics=pd.concat(metrics.values()) if metrics else pd.DataFrame(),
        sales=joined.groupby(["day", "category"], as_index=False)["revenue"].sum(),
        spend=pd.DataFrame(
            [(day, charged) for day, (_, charged) in trade.items() if charged],
            columns=["day", "amount"],
        ),
    )


@lru_cache(maxsize=4 * DAYS)
def _metrics(key: str, modified: datetime) -> pd.DataFrame:
    """Read one day's metrics over all positions; a day that is replaced is read again."""
    table = _read(key)
    metrics = table.filter(pc.is_null(table["position"])).to_pandas(date_as_object=True)
    # What was bought without a click is revenue, but no conversion of a click.
    metrics["purchases"] = (metrics["cvr"].fillna(0.0) * metrics["clicks"]).round()
    return metrics


@lru_cache(maxsize=4 * DAYS)
def _trade(key: str, modified: datetime) -> tuple[pd.DataFrame, float]:
    """Return one day's (item_id, revenue), and what was charged for clicks."""
    table = _read(key).select(["event_type", "item_id", "value", "price", "campaign_id"])
    frame = table.to_pandas()
    bought = frame[frame["event_type"] == "purchase"]
    revenue = (bought["price"] * bought["value"].fillna(1.0)).fillna(0.0)
    sold = revenue.groupby(bought["item_id"]).sum().rename("revenue").reset_index()
    charged = frame[(frame["event_type"] == "click") & frame["campaign_id"].notna()]["price"]
    return sold, float(charged.sum())


def _read(key: str) -> pa.Table:
    return pq.read_table(io.BytesIO(storage.get(key)))


def _short(category: str | None) -> str:
    """Return the first two levels of a category path: few enough to read."""
    return " › ".join(category.split(" > ")[:2]).lower() if category else "without a category"
