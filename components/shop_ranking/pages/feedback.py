"""Reads what feedback ingestion left in the store: a folder a day, replaced whole."""

from collections.abc import Callable
from functools import lru_cache

import pandas as pd
import pyarrow.compute as pc

from components.platform.feedback.days import latest_shown
from components.platform.feedback.partitions import read_parquet, stored_by_day
from components.platform.storage import Stored
from components.shop_ranking.pages.figures import Feedback

DAYS = 120  # latest that are shown
TRADED = ["event_type", "item_id", "value", "price", "campaign_id"]


def read_feedback(category_of: Callable[[str], str | None]) -> Feedback:
    """Return the latest days; `category_of` knows the category of an item.

    Raises:
        StorageError: the store cannot be reached.

    """
    kept, events = stored_by_day("metrics.parquet"), stored_by_day("events.parquet")
    metrics = latest_shown(kept, lambda day: _metrics(kept[day]), DAYS)
    trade = {day: _trade(stored) for day, stored in events.items() if day in metrics}
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
def _metrics(stored: Stored) -> pd.DataFrame:
    """Read one day's metrics over all positions; a day that is replaced is read again."""
    table = read_parquet(stored.key)
    metrics = table.filter(pc.is_null(table["position"])).to_pandas(date_as_object=True)
    # What was bought without a click is revenue, but no conversion of a click.
    metrics["purchases"] = (metrics["cvr"].fillna(0.0) * metrics["clicks"]).round()
    return metrics


@lru_cache(maxsize=4 * DAYS)
def _trade(stored: Stored) -> tuple[pd.DataFrame, float]:
    """Return one day's (item_id, revenue), and what was charged for clicks."""
    frame = read_parquet(stored.key, TRADED).to_pandas()
    bought = frame[frame["event_type"] == "purchase"]
    revenue = (bought["price"] * bought["value"].fillna(1.0)).fillna(0.0)
    sold = revenue.groupby(bought["item_id"]).sum().rename("revenue").reset_index()
    charged = frame[(frame["event_type"] == "click") & frame["campaign_id"].notna()]["price"]
    return sold, float(charged.sum())


def _short(category: str | None) -> str:
    """Return the first two levels of a category path: few enough to read."""
    return " › ".join(category.split(" > ")[:2]).lower() if category else "without a category"
