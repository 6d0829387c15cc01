"""Data preparation: tables of the contract into indexed items, shoppers and per-cut features."""

from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path

import ibis
import pyarrow as pa
from ibis.expr.types import Table

from components.platform import schemas
from components.platform.errors import DataError
from components.platform.files import atomic_folder, write_json, write_table
from components.platform.progress import part, say
from components.shop_ranking.data_preparation import events as ev
from components.shop_ranking.data_preparation import features, histories
from components.shop_ranking.data_preparation.cuts import Cut, derive_cuts
from components.shop_ranking.data_preparation.page import write_page
from components.shop_ranking.data_preparation.plots import draw_all
from components.shop_ranking.data_preparation.summary import summarise
from components.shop_ranking.data_preparation.tables import connect, open_tables, read_ingestion
from components.shop_ranking.params import Params, PreparationParams

TEXT_PARTS = ("title", "brand", "category", "description")


@dataclass(frozen=True)
class Indexed:
    """Everything a cut's tables are computed from."""

    lines: Table
    orders: Table
    asked: Table
    visits: Table  # of all products, not only the catalogue's
    items: Table
    users: Table


def run(params: Params, tables: Path, prepared: Path, summary: Path) -> None:
    """Write `prepared` (items, users, images, cuts.json, a folder a cut) and its `summary`.

    Raises:
        DataError: a table breaks the contract, no event is a target, or a cut's split is empty.

    """
    preparation = params.preparation
    source = open_tables(connect(), tables)
    ingestion = read_ingestion(tables)
    events = source["events"]
    if preparation.as_of is not None:
        as_of = datetime.combine(preparation.as_of, time(), UTC)
        events = events.filter(events.timestamp < ibis.literal(as_of))
    target_events = ev.choose_targets(events, preparation)
    sessions = ev.with_sessions(events, preparation.session_gap_minutes)
    lines = ev.item_lines(sessions, target_events)
    cuts = derive_cuts(preparation, ingestion.get("protocol"), *_span(lines))
    indexed = _index(lines, source, cuts, preparation)
    with atomic_folder(summary) as report, atomic_folder(prepared) as folder:
        images, characters = source["images"], preparation.text_characters
        described_items = _item_table(indexed.items, images, characters)
        _write(described_items, schemas.ITEMS, folder / "items.parquet")
        _write(indexed.users.order_by("user_index"), schemas.USERS, folder / "users.parquet")
        pictures = _pictures(indexed.items, images)
        _write(pictures, schemas.ITEM_IMAGES, folder / "images.parquet")
        described = [{**cut.to_json(), "target_events": list(target_events)} for cut in cuts]
        write_json(described, folder / "cuts.json")
        for cut in cuts:
            with part(f"cut {cut.name}"):
                _write_cut(cut, indexed, folder / "cuts" / cut.name, preparation)
        numbers = summarise(
            events,
            source["orders"],
            indexed.visits,
            cuts=cuts,
            prepared=folder,
            ingestion=ingestion,
            rules={**preparation.model_dump(mode="json"), "target_events": target_events},
        )
        write_page(numbers, draw_all(numbers, report), report / "index.html")
        write_json(numbers, report / "summary.json")


def _span(lines: Table) -> tuple[datetime, datetime]:
    """Return the times of the first and the last line."""
    ends = lines.aggregate(a=lines.timestamp.min(), b=lines.timestamp.max()).to_pyarrow()
    # Spark hands out times without their zone, which is UTC.
    span = ends.cast(pa.schema([(name, schemas.UTC) for name in ends.column_names]))
    return span["a"][0].as_py(), span["b"][0].as_py()


def _index(
    lines: Table, source: dict[str, Table], cuts: list[Cut], params: PreparationParams
) -> Indexed:
    """Replace ids by indexes; keep the last cut's catalogue and the shoppers known by then.

    Raises:
        DataError: no item has enough sessions.

    """
    last = cuts[-1]
    lines = lines.filter(lines.timestamp < ibis.literal(last.end)).cache()
    start = ibis.literal(last.start)
    users = ev.shoppers(lines, start).cache()
    dense = ev.with_indexes(lines, source["products"], users).cache()
    items = ev.catalogue(dense, source["products"], start, params.min_item_sessions).cache()
    if items.count().to_pyarrow().as_py() == 0:
        raise DataError(
            f"items with {params.min_item_sessions} sessions before the last cut, {last.day}",
            "none",
            "lower preparation.min_item_sessions or bring more events",
        )
    keys = items.select("product", "item_index", "eligible_since")
    orders = (
        source["orders"]
        .inner_join(items.select("item_id", "item_index", "eligible_since"), "item_id")
        .inner_join(users, "user_id")
        .drop("item_id", "user_id", "order_id")
    )
    return Indexed(
        lines=dense.inner_join(keys, "product").drop("product").cache(),
        orders=orders.filter(orders.timestamp < start).cache(),
        asked=histories.asked_items(source["events"], items),
        visits=dense.filter(dense.is_visit),
        items=items,
        users=users,
    )


def _item_table(items: Table, images: Table, characters: int) -> Table:
    pictured = images.select("item_id").distinct()
    joined = items.left_join(pictured, "item_id")
    parts = [ev.stripped(joined[name]).nullif("") for name in TEXT_PARTS]
    text = parts[0]
    for added in parts[1:]:
        text = ibis.coalesce(text + ". " + added, text, added)
    return joined.mutate(
        text=text.left(characters), has_image=joined.item_id_right.notnull()
    ).order_by("item_index")


def _pictures(items: Table, images: Table) -> Table:
    return images.inner_join(items.select("item_id", "item_index"), "item_id").order_by(
        "item_index"
    )


def _write_cut(cut: Cut, indexed: Indexed, folder: Path, params: PreparationParams) -> None:
    """Write the tables of one cut.

    Raises:
        DataError: no shopper has a target in the cut's horizon, unless nothing follows the cut.

    """
    lines, orders = indexed.lines, indexed.orders
    with features.pair_state(lines, cut).cache() as state:
        wanted = _write(
            histories.targets(lines, state, cut), schemas.TARGETS, folder / "targets.parquet"
        )
        if wanted == 0 and cut.role != "final":
            raise DataError(
                f"targets in the {cut.horizon_days} days from {cut.day} (cut {cut.name})",
                "none on items that were eligible by then",
                "choose another cut, fewer preparation.fit_cuts or a lower min_item_sessions",
            )
        expressions = {
            "user_item": features.user_item(state, orders, cut),
            "item_stats": features.item_stats(lines, orders, indexed.items, state, cut),
            "user_stats": features.user_stats(lines, orders, state, cut),
            "item_pairs": histories.item_pairs(lines, cut, params),
            "query_items": histories.query_items(indexed.asked, cut),
        }
        for name, expression in expressions.items():
            _write(expression, schemas.CUT_TABLES[name], folder / f"{name}.parquet")
    ordered = histories.ordered_lines(lines, cut).to_pyarrow()
    write_table(histories.as_sequences(ordered), folder / "sequences.parquet")
    say(f"cut {cut.name} {cut.day}: {wanted} targets")


def _write(expression: Table, schema: pa.Schema, path: Path) -> int:
    """Write the schema's columns; return the number of rows."""
    table = expression.select(*schema.names).to_pyarrow().cast(schema)
    write_table(table, path)
    return int(table.num_rows)
