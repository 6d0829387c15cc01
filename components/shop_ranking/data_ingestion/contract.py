"""Check candidate rows against the data contract: good rows are typed, bad ones get a reason.

Everything runs as one DuckDB projection over the batch's Arrow columns, in row order.
"""
# ruff: noqa: S608 - SQL texts are put together from the contract's own column names

from dataclasses import dataclass
from functools import cache

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from components.platform import schemas
from components.shop_ranking.data_ingestion.adapter import Batch

MAX_TEXT = 20_000  # characters of a title, description, query ...
MAX_ID = 256  # characters of an id
EVENT_TYPES = ", ".join(f"'{name}'" for name in schemas.EVENT_TYPES)
# Rules beyond types, by table: a condition that makes a row bad, and the reason that is shown.
RULES: dict[str, list[tuple[str, str]]] = {
    "products": [("price < 0", "price is negative")],
    "events": [
        (f"event_type not in ({EVENT_TYPES})", f"event_type is none of {EVENT_TYPES}"),
        ("event_type <> 'search' and item_id is null", "item_id is missing"),
        ("event_type = 'search' and query is null", "query is missing from a search"),
        ("event_type = 'rating' and value is null", "value is missing from a rating"),
        ("propensity <= 0 or propensity > 1", "propensity is not in (0, 1]"),
    ],
    "orders": [
        ("unit_price < 0", "unit_price is negative"),
        ("discount < 0", "discount is negative"),
    ],
    "campaigns": [
        ("bid < 0", "bid is negative"),
        ("daily_budget < 0", "daily_budget is negative"),
        ("ends_at < starts_at", "ends_at is before starts_at"),
    ],
    "promotions": [
        ("ends_at <= starts_at", "ends_at is not after starts_at"),
        ("display_share not between 0 and 1", "display_share is not from 0 to 1"),
        ("mailer_share not between 0 and 1", "mailer_share is not from 0 to 1"),
    ],
}
# Given by ingestion where the source has none.
OPTIONAL = {("events", "event_id")}
FIRST_YEAR, LAST_YEAR = 1970, 2100


@dataclass(frozen=True)
class Checked:
    """Rows of one batch: those that keep the contract, and those that break it."""

    rows: pa.Table  # the table's schema, every column nullable
    quarantined: pa.Table  # schemas.QUARANTINE


@cache
def _database() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


def connect() -> duckdb.DuckDBPyConnection:
    """Return a DuckDB connection whose timestamps are UTC.

    Connections share one in-memory database (opening one costs 12 ms, a cursor 0.1 ms), so that
    only temporary tables and views, which each connection has for itself, may be made in it.
    """
    con = _database().cursor()
    con.execute("set timezone = 'UTC'")
    return con


def check(batch: Batch) -> Checked:
    """Split a batch by the contract; shopper ids must be pseudonyms already."""
    schema = schemas.TABLES[batch.table]
    con = connect()
    con.register("given", batch.rows)
    kinds = {name: str(kind) for name, kind, *_ in con.execute("describe given").fetchall()}
    casts = ", ".join(f"{_cast(field, kinds)} as {field.name}" for field in schema)
    originals = ", ".join(
        f"{name} as given_{name}" if name in kinds else f"null as given_{name}"
        for name in schema.names
    )
    checked = con.execute(
        f"""select {", ".join(schema.names)}, {_reason(batch.table, schema)} as reason
        from (select {casts}, {originals} from given)"""
    ).to_arrow_table()
    bad = pc.is_valid(checked["reason"])
    good = checked.filter(pc.invert(bad)).drop_columns("reason").cast(nullable(schema))
    if batch.table == "events":
        good = _with_event_ids(good)
    reasons = checked["reason"].filter(bad)
    return Checked(good, quarantine(batch.table, batch.source, reasons, batch.rows.filter(bad)))


def nullable(schema: pa.Schema) -> pa.Schema:
    """Return the schema with every column nullable, for tables that are still being made."""
    return pa.schema([field.with_nullable(True) for field in schema])


def quarantine(
    table: str, source: str, reasons: pa.ChunkedArray | pa.Array, rows: pa.Table
) -> pa.Table:
    """Return the rows as quarantine rows: each as JSON, without pictures."""
    if rows.num_rows == 0:
        return schemas.QUARANTINE.empty_table()
    binary = [f.name for f in rows.schema if pa.types.is_binary(f.type)]
    con = connect()
    con.register("bad", rows.drop_columns(binary))
    texts = con.execute("select to_json(bad)::varchar as text from bad").to_arrow_table()["text"]
    names = [pa.repeat(pa.scalar(name), rows.num_rows) for name in (table, source)]
    return pa.table([*names, reasons.cast(pa.string()), texts], schema=schemas.QUARANTINE)


def _cast(field: pa.Field, kinds: dict[str, str]) -> str:
    """Return SQL that gives the column its contract type, null where it cannot be read."""
    kind, name = kinds.get(field.name), field.name
    is_text = kind == "VARCHAR"
    given = f"nullif({name}, '')" if is_text else name
    if kind is None:
        return f"null::{_sql_type(field.type)}"
    if field.type == schemas.UTC:
        return _timestamp(given, kind)
    if pa.types.is_map(field.type) and not kind.startswith("MAP"):
        given = f"try_cast({given} as json)" if is_text else f"to_json({given})"
    cast = f"try_cast({given} as {_sql_type(field.type)})"
    if pa.types.is_list(field.type):  # [1, oops] would become [1, null]
        whole = "isfinite(element)" if pa.types.is_floating(field.type.value_type) else "true"
        return f"""case when len(list_filter({cast}, element -> element is not null and {whole}))
            = len({cast}) then {cast} end"""
    if pa.types.is_integer(field.type):  # 1.5 is not an integer, though SQL would round it
        return f"case when try_cast({given} as double) % 1 = 0 then {cast} end"
    return cast


def _timestamp(given: str, kind: str) -> str:
    """ISO 8601 texts (UTC where they name no zone) and seconds, milli- or microseconds of 1970."""
    number = f"try_cast({given} as double)"
    epoch = f"""to_timestamp(case when {number} < 1e11 then {number}
        when {number} < 1e14 then {number} / 1e3 else {number} / 1e6 end)"""
    if kind == "VARCHAR":
        read = (
            f"case when {number} is not null then {epoch} else try_cast({given} as timestamptz) end"
        )
    elif kind.startswith(("TIMESTAMP", "DATE")):
        read = f"try_cast({given} as timestamptz)"
    else:
        read = epoch
    return f"""(select case when year(t) between {FIRST_YEAR} and {LAST_YEAR} then t end
        from (select try({read}) as t))"""


def _sql_type(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"{_sql_type(kind.value_type)}[]"
    if pa.types.is_map(kind):
        return "map(varchar, varchar)"
    names = {
        schemas.UTC: "timestamptz",
        pa.string(): "varchar",
        pa.float32(): "float",
        pa.int32(): "integer",
        pa.int8(): "tinyint",
        pa.binary(): "blob",
    }
    return names[kind]


def _meaning(kind: pa.DataType) -> str:
    if kind == schemas.UTC:
        return f"a date and time from {FIRST_YEAR} to {LAST_YEAR}"
    if pa.types.is_list(kind):
        return "a list"
    if pa.types.is_map(kind):
        return "a map of texts"
    return "a whole number" if pa.types.is_integer(kind) else "a number"


def _reason(table: str, schema: pa.Schema) -> str:
    """Return SQL of the first rule a row breaks, null for none."""
    cases = []
    for field in schema:
        name = field.name
        if not pa.types.is_string(field.type) and not pa.types.is_binary(field.type):
            unread = f"{name} is null and nullif(given_{name}::varchar, '') is not null"
            cases.append((unread, f"{name} is not {_meaning(field.type)}"))
        if not field.nullable and (table, name) not in OPTIONAL:
            cases.append((f"{name} is null", f"{name} is missing"))
        if pa.types.is_string(field.type):
            limit = MAX_ID if name.endswith("_id") else MAX_TEXT
            cases.append(
                (f"length({name}) > {limit}", f"{name} is longer than {limit:,} characters")
            )
        if pa.types.is_floating(field.type):
            cases.append((f"not isfinite({name})", f"{name} is not a number"))
    cases += RULES.get(table, [])
    whens = ["when {} then '{}'".format(rule, text.replace("'", "''")) for rule, text in cases]
    return f"case {' '.join(whens)} end"


def _with_event_ids(events: pa.Table) -> pa.Table:
    """Give an id to events that have none: a hash of the content, whatever the order of rows.

    The shopper is a pseudonym by now, so the hash cannot be searched for raw ids.
    """
    if events["event_id"].null_count == 0:
        return events
    con = connect()
    con.register("events", events)
    content = ", ".join(
        f"coalesce({name}::varchar, '')" for name in schemas.EVENTS.names if name != "event_id"
    )
    filled = con.execute(
        f"select coalesce(event_id, md5(concat_ws(chr(31), {content}))) as event_id from events"
    ).to_arrow_table()
    return events.set_column(0, "event_id", filled["event_id"])
