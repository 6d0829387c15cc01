"""Something to sponsor: campaigns with simulated bids for a shop that has none with real ones."""

from pathlib import Path

import duckdb
import pyarrow as pa

from components.platform import schemas
from components.platform.files import read_table
from components.shop_ranking.ads.campaigns import simulated

BRANDS = 12  # that advertise where the data names no campaign at all


def simulated_campaigns(tables: Path, seed: int) -> list[dict[str, object]]:
    """Return campaigns with simulated bids, as PUT /admin/campaigns takes them.

    Their items and dates are those of the data's own promotions; where it has none, each of the
    largest brands advertises what it makes.
    """
    promoted = read_table(tables / "campaigns.parquet")
    chosen = promoted if promoted.num_rows else _brands(tables / "products.parquet")
    return [campaign.model_dump(mode="json") for campaign in simulated(chosen, seed)]


def _brands(products: Path) -> pa.Table:
    with duckdb.connect() as con:
        con.read_parquet(str(products)).create_view("products")
        drawn = con.execute(
            """select brand as campaign_id, list(item_id order by item_id) as item_ids,
            null::float as bid, null::float as daily_budget,
            null::timestamptz as starts_at, null::timestamptz as ends_at
            from products where brand is not null group by brand
            order by count(*) desc, brand limit $brands""",
            {"brands": BRANDS},
        ).to_arrow_table()
    return drawn.cast(schemas.CAMPAIGNS)
