"""Tables of a shop whose weeks are alike but for one, in which everybody buys candles."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from components.platform import schemas
from components.platform.files import write_table

FIRST = datetime(2024, 1, 1, tzinfo=UTC)  # a Monday
WEEKS = 12
CATEGORIES = ("FOOD > CHEESE", "FOOD > BREAD", "HOME > CANDLES")


def write_shop(folder: Path, feast: int | None = None) -> Path:
    """Twelve weeks of 40 baskets a day; in the week of the feast everybody buys candles."""
    rng = np.random.default_rng(0)
    at = np.repeat(np.arange(WEEKS * 7), 40)
    candles = np.where(at // 7 == feast, 0.8, 0.1)
    kind = np.where(rng.random(len(at)) < candles, 2, rng.integers(0, 2, len(at)))
    minutes = rng.integers(9 * 60, 20 * 60, len(at))
    orders = pd.DataFrame(
        {
            "order_id": [f"o{n}" for n in range(len(at))],
            "user_id": [f"u{n % 50}" for n in range(len(at))],
            "timestamp": pd.Timestamp(FIRST) + pd.to_timedelta(at * 1440 + minutes, unit="min"),
            "item_id": [f"i{n}" for n in kind],
            "quantity": 1.0,
            "unit_price": rng.uniform(1, 9, len(at)),
            "discount": 0.0,
        }
    )
    products = pd.DataFrame(
        {"item_id": ["i0", "i1", "i2"], "title": "thing", "category": CATEGORIES, "brand": "own"}
    )
    tables = {name: schemas.TABLES[name].empty_table() for name in ("events", "quarantine")}
    tables["orders"] = pa.Table.from_pandas(orders, schema=schemas.ORDERS, preserve_index=False)
    known = {field.name: None for field in schemas.PRODUCTS} | products.to_dict("list")
    tables["products"] = pa.table(
        {k: v if v is not None else pa.nulls(3, schemas.PRODUCTS.field(k).type)
         for k, v in known.items()}
    )  # fmt: skip
    for name, table in tables.items():
        write_table(table, folder / f"{name}.parquet")
    return folder
