"""Retailrocket: events.csv, item_properties_part*.csv and category_tree.csv of a web shop.

Source: https://www.kaggle.com/datasets/retailrocket/ecommerce-dataset. Texts are hashed by the
publisher, so products have no title; their category path, price and availability are known.
"""

from pathlib import Path

import duckdb
import pyarrow as pa

from components.platform.errors import DataError
from components.shop_ranking.data_ingestion.adapter import Batch, Extract
from components.shop_ranking.data_ingestion.contract import connect
from components.shop_ranking.data_ingestion.sources import copy_file, find, folder_of
from components.shop_ranking.data_ingestion.text_files import Rejects, read_csv
from components.shop_ranking.params import Params

EVENTS = r"events.*\.csv(\.gz)?"
PROPERTIES = r"item_properties.*\.csv(\.gz)?"
TREE = r"category_tree\.csv(\.gz)?"
PRICE = "790"  # the one numeric property ("n12345.000") that behaves like a price
LAYOUT = {
    EVENTS: ("events.csv", ("timestamp", "visitorid", "event", "itemid", "transactionid")),
    PROPERTIES: ("item_properties_part1.csv", ("timestamp", "itemid", "property", "value")),
    TREE: ("category_tree.csv", ("categoryid", "parentid")),
}


def acquire(params: Params, raw: Path) -> None:
    """Copy the three kinds of files."""
    folder = folder_of(params)
    for pattern, (name, _) in LAYOUT.items():
        for file in find(folder, pattern, f"a file like {name}"):
            copy_file(file, raw)


def read(raw: Path, params: Params) -> Extract:
    """Return products, events and one order line a transaction event."""
    rejects: Rejects = []
    events = _load(raw, EVENTS, "events", rejects)
    properties = pa.concat_tables(t for _, t in _load(raw, PROPERTIES, "products", rejects))
    tree = pa.concat_tables(t for _, t in _load(raw, TREE, "products", rejects))
    batches = [Batch("products", "item_properties", _products(properties, tree))]
    for source, rows in events:
        con = connect()
        con.register("rows", rows)
        batches.append(Batch("events", source, _events(con)))
        batches.append(Batch("orders", source, _orders(con)))
    return Extract(batches, rejected=rejects)


def _load(raw: Path, pattern: str, table: str, rejects: Rejects) -> list[tuple[str, pa.Table]]:
    """Read every file of one kind; lines that do not fit go to `rejects`."""
    name, columns = LAYOUT[pattern]
    parts = []
    for file in find(raw, pattern, f"a file like {name}"):
        rows, bad = read_csv(file, table, private=table == "events")
        missing = [column for column in columns if column not in rows.column_names]
        if missing:
            raise DataError(
                f"the columns {', '.join(columns)} in {file.name}",
                f"none named {', '.join(missing)}",
                "use the published file",
            )
        rejects += bad
        parts.append((file.name, rows.select(columns)))
    return parts


def _events(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """An unknown kind of event stays as it is, for the contract to reject."""
    return con.execute(
        """select visitorid as user_id, timestamp, case event when 'addtocart' then 'add_to_cart'
        when 'transaction' then 'purchase' else event end as event_type, itemid as item_id
        from rows"""
    ).to_arrow_table()


def _orders(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """The publisher tells neither quantity nor price of a sale: one piece a line."""
    return con.execute(
        """select transactionid as order_id, visitorid as user_id, timestamp, itemid as item_id,
        1 as quantity from rows where event = 'transaction'"""
    ).to_arrow_table()


def _products(properties: pa.Table, tree: pa.Table) -> pa.Table:
    """One row an item: its last known category path, price and availability."""
    con = connect()
    con.register("properties", properties)
    con.register("tree", tree)
    return con.execute(
        f"""with recursive paths as (
            select categoryid, categoryid as path, 1 as depth from tree where parentid is null
            union all
            select tree.categoryid, path || ' > ' || tree.categoryid, depth + 1
            from tree join paths on tree.parentid = paths.categoryid where depth < 20),
        latest as (select itemid,
            arg_max(value, timestamp::bigint) filter (property = 'categoryid') as leaf,
            arg_max(value, timestamp::bigint) filter (property = '{PRICE}') as price,
            arg_max(value, timestamp::bigint) filter (property = 'available') as available
            from properties group by itemid)
        select itemid as item_id, coalesce(path, leaf) as category,
        try_cast(regexp_extract(price, 'n(-?[0-9.]+)', 1) as float) as price,
        case when available is not null then map(['available'], [available]) end as attributes
        from latest left join paths on leaf = categoryid"""  # noqa: S608 - a constant
    ).to_arrow_table()
