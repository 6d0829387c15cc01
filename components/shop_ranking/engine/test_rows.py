"""Who is tested on what, as a digest: equal digests, comparable measurements."""

import hashlib
from pathlib import Path

import pandas as pd

from components.platform.files import read_table
from components.shop_ranking.params import EvaluationParams


def rows_digest(prepared: Path, cut: str) -> str:
    """Return a digest of who is tested on what: (shopper, item) targets and the catalogue.

    Taken over ids, not row numbers, so that two preparations of the same data agree.
    """
    users = read_table(prepared / "users.parquet", ["user_id"])["user_id"]
    items = read_table(prepared / "items.parquet", ["item_id"])["item_id"]
    targets = read_table(prepared / "cuts" / cut / "targets.parquet")
    stats = read_table(prepared / "cuts" / cut / "item_stats.parquet", ["item_index", "eligible"])
    catalogue = stats.filter(stats["eligible"])["item_index"]
    digest = hashlib.sha256()
    for rows in (
        pd.DataFrame(
            {
                "user_id": users.take(targets["user_index"]).to_pandas(),
                "item_id": items.take(targets["item_index"]).to_pandas(),
            }
        ),
        pd.DataFrame({"item_id": items.take(catalogue).to_pandas()}),
    ):
        digest.update(pd.util.hash_pandas_object(rows, index=False).sort_values().to_numpy().data)
    return digest.hexdigest()


def measured_at(params: EvaluationParams) -> str:
    """Return the params that define metrics and slices, as a tag."""
    return f"k={params.k} new_shopper_sessions={params.new_shopper_sessions}"
