"""Data ingestion: raw files of one dataset into the data contract's tables."""

from pathlib import Path

import duckdb
import pyarrow as pa

from components import schemas
from components.data_ingestion.adapter import Batch, Extract
from components.data_ingestion.adapters import adapter_for
from components.data_ingestion.pseudonyms import pseudonymise
from components.files import atomic_folder, write_json, write_table
from components.params import Params

TABLES = [name for name in schemas.TABLES if name != "quarantine"]


def run(params: Params, raw: Path, tables: Path) -> None:
    """Read `raw`, check it against the contract and write one Parquet file a table."""
    extract = adapter_for(params.data.dataset).read(raw, params)
    found = {name: _conform(extract, name) for name in TABLES}
    if found["events"].num_rows == 0:
        found["events"] = _purchases(found["orders"])
    bare = _bare_products(found)
    found["products"] = pa.concat_tables([found["products"], bare])
    with atomic_folder(tables) as folder:
        for name, table in found.items():
            write_table(table, folder / f"{name}.parquet")
        write_json(
            {
                "dataset": params.data.dataset,
                "simulated": extract.simulated,
                "images": extract.images,
                "rows": {name: table.num_rows for name, table in found.items()},
                "excluded": extract.excluded,
                "bare_products": bare.num_rows,
                "protocol": extract.protocol,
            },
            folder / "ingestion.json",
        )


def _conform(extract: Extract, name: str) -> pa.Table:
    schema = schemas.TABLES[name]
    parts = [_cast(batch, schema) for batch in extract.batches if batch.table == name]
    return pa.concat_tables([schema.empty_table(), *parts])


def _cast(batch: Batch, schema: pa.Schema) -> pa.Table:
    rows = batch.rows
    if "user_id" in rows.column_names:
        rows = pseudonymise(rows)
    if "timestamp" in rows.column_names:
        index = rows.column_names.index("timestamp")
        rows = rows.set_column(
            index, "timestamp", rows["timestamp"].cast(pa.timestamp("us", "UTC"))
        )
    columns = [
        rows[field.name].cast(field.type)
        if field.name in rows.column_names
        else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _purchases(orders: pa.Table) -> pa.Table:
    """One purchase event an order line, where the source tells of purchases as orders only."""
    con = duckdb.connect()
    con.execute("set timezone = 'UTC'")
    return (
        con.sql(
            """select order_id || '-' || item_id as event_id, user_id, order_id as session_id,
        timestamp, 'purchase' as event_type, item_id, null::varchar as query,
        null::varchar as surface, null::int as position, null::float as propensity,
        null::varchar as model_version, quantity as value
        from orders order by timestamp, event_id"""
        )
        .to_arrow_table()
        .cast(schemas.EVENTS)
    )


def _bare_products(found: dict[str, pa.Table]) -> pa.Table:
    """Return a row without any attribute for each item that is referred to but not described."""
    con = duckdb.connect()
    for name, table in found.items():
        con.register(name, table)
    bare = con.sql(
        """select item_id from (select distinct item_id from events
        union select distinct item_id from orders
        union select distinct unnest(item_ids) from campaigns) where item_id is not null
        and item_id not in (select item_id from products) order by item_id"""
    ).to_arrow_table()
    nulls = [pa.nulls(bare.num_rows, field.type) for field in list(schemas.PRODUCTS)[1:]]
    return pa.table([bare["item_id"], *nulls], schema=schemas.PRODUCTS)
