"""Amazon Reviews 2023: <category>.jsonl and meta_<category>.jsonl, gzip too.

Source: https://amazon-reviews-2023.github.io/. A review is a rating event; of a verified purchase
it is a purchase as well. The product is its parent: variants of one thing share reviews.
"""

from pathlib import Path
from typing import Any

import pyarrow as pa

from components.shop_ranking.data_ingestion.adapter import Batch, Extract
from components.shop_ranking.data_ingestion.contract import connect
from components.shop_ranking.data_ingestion.pictures import photographs
from components.shop_ranking.data_ingestion.sources import copy_file, find, folder_of
from components.shop_ranking.data_ingestion.text_files import Rejects, read_json_lines
from components.shop_ranking.params import Params

META = r"meta_.*\.jsonl(\.gz)?"
REVIEWS = r"(?!meta_).*\.jsonl(\.gz)?"
REVIEW_FIELDS = dict.fromkeys(
    ("user_id", "parent_asin", "asin", "timestamp", "rating", "verified_purchase"), "VARCHAR"
)
META_FIELDS: dict[str, Any] = {
    "parent_asin": "VARCHAR",
    "title": "VARCHAR",
    "main_category": "VARCHAR",
    "categories": ["VARCHAR"],
    "features": ["VARCHAR"],
    "description": ["VARCHAR"],
    "price": "VARCHAR",
    "store": "VARCHAR",
    "images": [{"large": "VARCHAR"}],
    "details": "JSON",
}


def acquire(params: Params, raw: Path) -> None:
    """Copy the reviews, the product files and, where you have them, pictures by product id."""
    folder = folder_of(params)
    for file in find(folder, REVIEWS, "reviews (<category>.jsonl or .jsonl.gz)"):
        copy_file(file, raw)
    for file in find(folder, META, "products (meta_<category>.jsonl or .jsonl.gz)"):
        copy_file(file, raw)
    photographs.snapshot(folder, raw)


def read(raw: Path, params: Params) -> Extract:
    """Return products, ratings and purchases."""
    batches: list[Batch] = []
    rejects: Rejects = []
    for file in find(raw, META, "products (meta_<category>.jsonl or .jsonl.gz)"):
        lines, bad = read_json_lines(file, META_FIELDS, "products", private=False)
        batches.append(Batch("products", file.name, _products(lines)))
        rejects += bad
    for file in find(raw, REVIEWS, "reviews (<category>.jsonl or .jsonl.gz)"):
        lines, bad = read_json_lines(file, REVIEW_FIELDS, "events", private=True)
        batches.append(Batch("events", file.name, _events(lines)))
        rejects += bad
    known = pa.concat_tables(b.rows.select(["item_id"]) for b in batches if b.table == "products")
    images, broken, spare = photographs.read(raw, known, params.data)
    return Extract(
        [*batches, Batch("images", "images", images)],
        rejected=[*rejects, *broken],
        excluded={"images": {"picture of no product": spare}} if spare else {},
        images="photographs",
    )


def _products(lines: pa.Table) -> pa.Table:
    """Prices such as "from 12.99" or a dash are no price; images are addresses, not fetched."""
    con = connect()
    con.register("lines", lines)
    return con.execute(
        """select parent_asin as item_id, title,
        nullif(array_to_string(list_concat(features, description), ' '), '') as description,
        coalesce(nullif(array_to_string(categories, ' > '), ''), main_category) as category,
        store as brand, try_cast(replace(replace(price, '$', ''), ',', '') as float) as price,
        'USD' as currency, images[1].large as image,
        case when json_type(details) = 'OBJECT' then details end
        as attributes from lines"""
    ).to_arrow_table()


def _events(lines: pa.Table) -> pa.Table:
    con = connect()
    con.register("lines", lines)
    return con.execute(
        """select user_id, timestamp, 'rating' as event_type,
        coalesce(parent_asin, asin) as item_id, rating as value from lines
        union all
        select user_id, timestamp, 'purchase', coalesce(parent_asin, asin), '1' from lines
        where lower(verified_purchase) = 'true'"""
    ).to_arrow_table()
