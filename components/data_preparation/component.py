"""Data preparation: tables of the contract into indexed items, shoppers and per-cut features."""

import json
from pathlib import Path

import ibis
import pyarrow as pa
from ibis.expr.types import Table

from components import schemas
from components.data_preparation import features
from components.data_preparation.cuts import Cut, derive_cuts
from components.data_preparation.events import catalogue, item_lines, shoppers, with_sessions
from components.errors import DataError
from components.files import atomic_folder, read_table, write_json, write_table
from components.params import Params
from components.progress import say


def run(params: Params, tables: Path, prepared: Path, summary: Path) -> None:
    """Write `prepared`: items, users, images, cuts.json and one folder of tables a cut.

    Raises:
        DataError: no events, or cuts that leave a split empty.

    """
    preparation = params.preparation
    con = ibis.duckdb.connect()
    events = with_sessions(
        con.read_parquet(tables / "events.parquet"), preparation.session_gap_minutes
    )
    if preparation.as_of is not None:
        events = events.filter(events.timestamp < ibis.literal(preparation.as_of))
    lines = item_lines(events, preparation).cache()
    first, last = lines.aggregate(
        a=lines.timestamp.min(), b=lines.timestamp.max()
    ).to_pyarrow().to_pylist()[0].values()
    if first is None:
        raise DataError("events on items before the as-of day", "none", "check preparation.as_of")
    ingestion = json.loads((tables / "ingestion.json").read_text())
    cuts = derive_cuts(preparation, ingestion.get("protocol"), first, last)
    test = ibis.literal(cuts[-1].start)
    products = con.read_parquet(tables / "products.parquet")
    items = catalogue(lines, products, test, preparation.min_item_sessions).cache()
    users = shoppers(lines, items, test).cache()
    indexed = _index(lines, items, users).cache()
    orders = _orders(con, tables, items, users)
    clicked = _clicked_queries(events, items)
    with atomic_folder(prepared) as folder:
        _write(_item_table(items, con, tables), schemas.ITEMS, folder / "items.parquet")
        _write(users.order_by("user_index"), schemas.USERS, folder / "users.parquet")
        _write_images(con, tables, items, folder)
        write_json([cut.to_json() for cut in cuts], folder / "cuts.json")
        for cut in cuts:
            _write_cut(cut, indexed, orders, items, clicked, params, folder / "cuts" / cut.name)


def _index(lines: Table, items: Table, users: Table) -> Table:
    """Replace ids by dense indexes; keep catalogue items and known shoppers."""
    known = lines.inner_join(items.select("item_id", "item_index"), "item_id").inner_join(
        users, "user_id"
    )
    session = ibis.dense_rank().over(ibis.window(order_by=[known.user_index, known.session_id]))
    start = known.timestamp.min().over(ibis.window(group_by=[known.user_index, known.session_id]))
    return known.mutate(session=session, session_start=start).drop(
        "item_id", "user_id", "session_id"
    )


def _orders(con: ibis.BaseBackend, tables: Path, items: Table, users: Table) -> Table:
    orders = con.read_parquet(tables / "orders.parquet")
    return (
        orders.inner_join(items.select("item_id", "item_index"), "item_id")
        .inner_join(users, "user_id")
        .drop("item_id", "user_id")
        .cache()
    )


def _clicked_queries(events: Table, items: Table) -> Table:
    clicked = events.filter(
        events.query.notnull(), events.event_type.isin(["click", "add_to_cart", "purchase"])
    )
    return clicked.inner_join(items.select("item_id", "item_index"), "item_id").select(
        "query", "item_index", "timestamp"
    )


def _item_table(items: Table, con: ibis.BaseBackend, tables: Path) -> Table:
    pictured = con.read_parquet(tables / "images.parquet").select("item_id")
    joined = items.left_join(pictured, "item_id")
    parts = [
        joined[name].nullif("")
        for name in ("title", "brand", "category", "description")
    ]
    text = parts[0]
    for part in parts[1:]:
        text = ibis.coalesce(text + ". " + part, text, part)
    return joined.mutate(text=text, has_image=joined.item_id_right.notnull()).order_by("item_index")


def _write_images(con: ibis.BaseBackend, tables: Path, items: Table, folder: Path) -> None:
    images = con.read_parquet(tables / "images.parquet")
    kept = images.inner_join(items.select("item_id", "item_index"), "item_id")
    _write(kept.order_by("item_index"), schemas.ITEM_IMAGES, folder / "images.parquet")


def _write_cut(
    cut: Cut,
    lines: Table,
    orders: Table,
    items: Table,
    clicked: Table,
    params: Params,
    folder: Path,
) -> None:
    stats = features.item_stats(
        lines, orders, items, cut, params.preparation.min_item_sessions
    ).cache()
    expressions = {
        "sequences": features.sequences(lines, cut),
        "user_item": features.user_item(lines, orders, cut),
        "item_stats": stats,
        "user_stats": features.user_stats(lines, orders, cut),
        "targets": features.targets(lines, stats, cut),
        "item_pairs": features.item_pairs(lines, cut),
        "query_items": features.query_items(clicked, cut),
    }
    for name, expression in expressions.items():
        _write(expression, schemas.CUT_TABLES[name], folder / f"{name}.parquet")
    targets = read_table(folder / "targets.parquet")
    if targets.num_rows == 0:
        raise DataError(
            f"targets in the {cut.horizon_days} days from {cut.day} (cut {cut.name})",
            "none",
            "choose another cut or lower preparation.min_item_sessions",
        )
    say(f"cut {cut.name} {cut.day}: {targets.num_rows} targets")


def _write(expression: Table, schema: pa.Schema, path: Path) -> None:
    write_table(expression.select(*schema.names).to_pyarrow().cast(schema), path)
