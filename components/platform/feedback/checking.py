"""Validation: events keep the contract, or go to quarantine with a reason; each counts once."""
# ruff: noqa: S608 - SQL texts are put together from the contract's own column names

from pathlib import Path

import duckdb
import pyarrow as pa

from components.platform import schemas
from components.platform.feedback.segments import reading

TYPES = {schemas.UTC: "timestamptz", pa.int32(): "integer", pa.float32(): "float"}
EVENT_TYPES = ", ".join(f"'{name}'" for name in schemas.EVENT_TYPES)

# The first rule that a row breaks is its reason. `given` is the row as text.
RULES = [
    ("event_id is null", "event_id is missing"),
    ("user_id is null", "user_id is missing"),
    # Whom the server could not tell from others goes by the name of nobody.
    (
        "user_id <> 'anonymous' and not regexp_full_match(user_id, '[0-9a-f]{32}')",
        "user_id is not a pseudonym",
    ),
    ("timestamp is null", "timestamp is not a date and time"),
    ("received_at is null", "received_at is not a date and time"),
    (
        "timestamp > received_at + to_seconds(60 * $skew_minutes)",
        "timestamp is later than the clock of the server",
    ),
    (f"event_type is null or event_type not in ({EVENT_TYPES})", "event_type is unknown"),
    ("event_type <> 'search' and item_id is null", "item_id is missing"),
    ("event_type = 'impression' and impression_id is null", "impression_id is missing"),
    ("event_type = 'rating' and value is null", "value is missing from a rating"),
    ("given.position is not null and (position is null or position < 1)", "position is not from 1"),
    (
        "given.propensity is not null and (propensity is null or propensity <= 0 or "
        "propensity > 1)",
        "propensity is not in (0, 1]",
    ),
    ("given.value is not null and (value is null or not isfinite(value))", "value is no number"),
    (
        "given.fused_score is not null and (fused_score is null or not isfinite(fused_score))",
        "fused_score is no number",
    ),
    (
        "given.price is not null and (price is null or not isfinite(price) or price < 0)",
        "price is no amount of money",
    ),
    ("item_id is not null and not item_known", "item_id is in no catalogue of the shop"),
]


def load(
    con: duckdb.DuckDBPyConnection,
    files: list[Path],
    items: pa.Table | None,
    skew_minutes: float,
) -> None:
    """Read segments into the tables `events`, `quarantined` and `repeated` of a database.

    `events` has schemas.LOGGED_EVENTS and `day`, one row an event_id: the first that was received.
    `quarantined` has day and schemas.QUARANTINE; `repeated` counts the rows left out, by day.

    Args:
        con: an empty database.
        files: segments.
        items: column item_id, everything the shop ever sold; None leaves items unchecked.
        skew_minutes: how much later than the server's clock an event may be.

    """
    con.register(
        "items", items if items is not None else pa.table({"item_id": pa.array([], pa.string())})
    )
    known = "item_id in (select item_id from items)" if items is not None else "true"
    casts = ", ".join(
        f"try_cast({field.name} as {TYPES[field.type]}) as {field.name}"
        if field.type in TYPES
        else f"nullif({field.name}, '') as {field.name}"
        for field in schemas.LOGGED_EVENTS
    )
    whens = " ".join(f"when {rule} then '{reason}'" for rule, reason in RULES)
    source = reading(files) if files else f"(select {_nothing()}, null::varchar as filename)"
    empty = "" if files else "limit 0"
    con.execute(
        f"""create temp table checked as
        select *, case {whens} end as reason from (
            select {casts}, {known} as item_known, given, parse_filename(filename) as segment
            from (select {", ".join(schemas.LOGGED_EVENTS.names)}, filename, raw as given
                  from {source} as raw {empty}))""",
        {"skew_minutes": skew_minutes},
    )
    # A broken row may hold a raw id, so the columns that name a user are not kept.
    kept = [name for name in schemas.LOGGED_EVENTS.names if name not in ("user_id", "session_id")]
    shown = ", ".join(f"'{name}', given.{name}" for name in kept)
    con.execute(
        f"""create temp table quarantined as
        select coalesce(timestamp, received_at, timestamptz '1970-01-01')::date as day,
            'served_events' as "table", segment as source, reason,
            json_object({shown})::varchar as row
        from checked where reason is not null"""
    )
    columns = ", ".join(schemas.LOGGED_EVENTS.names)
    con.execute(
        f"""create temp table ranked as
        select {columns}, timestamp::date as day, row_number() over (partition by event_id
            order by received_at, segment, timestamp, event_type, item_id) as copy
        from checked where reason is null"""
    )
    con.execute(
        "create temp table repeated as "
        "select day, count(*) as copies from ranked where copy > 1 group by day"
    )
    con.execute("create temp table events as select * exclude copy from ranked where copy = 1")


def _nothing() -> str:
    return ", ".join(f"null::varchar as {name}" for name in schemas.LOGGED_EVENTS.names)
