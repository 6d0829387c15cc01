"""Partitions of feedback in S3: a folder a day, replaced whole."""

import io
import json
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from components.platform import object_cache, schemas, storage
from components.platform.feedback.days import latest_shown
from components.platform.feedback.labelling import online_metrics
from components.platform.settings import settings
from components.platform.storage import Stored

PREFIX = "feedback/"
ITEMS = "catalogue/"  # in S3: Parquet files with item_id; one an application
ORDER = ("timestamp", "event_id")


def key_of(day: date, name: str) -> str:
    """Return the key of one file of a partition."""
    return f"{PREFIX}day={day}/{name}"


def write_partition(con: duckdb.DuckDBPyConnection, day: date) -> dict[str, Any]:
    """Write every file of one day from the tables of `con`; return the day's account.

    The same events give the same bytes. The metrics come last: whoever sees them sees the rest.

    Raises:
        StorageError: S3 does not take a file.

    """
    events = _of_day(con, "events", schemas.SERVED_EVENTS, "timestamp, event_id", day)
    labelled = _of_day(
        con, "labelled", schemas.LABELLED, "timestamp, impression_id, position, item_id", day
    )
    bad = _of_day(con, "quarantined", schemas.QUARANTINE, "source, reason, row", day)
    outcomes = con.execute(
        "select outcome, count(*) from outcomes where day = $1 group by 1 order by 1", [day]
    ).fetchall()
    repeated = con.execute("select copies from repeated where day = $1", [day]).fetchone()
    reasons = con.execute(
        "select reason, count(*) from quarantined where day = $1 group by 1 order by 1", [day]
    ).fetchall()
    account = {
        "events": events.num_rows,
        "impressions": labelled.num_rows,
        "repeated": repeated[0] if repeated else 0,
        "quarantined": dict(reasons),
        **{"orphan": 0, "joined": 0, "unattributed": 0, "attributed": 0},
        **dict(outcomes),
    }
    put_table(events, key_of(day, "events.parquet"))
    put_table(labelled, key_of(day, "labelled.parquet"))
    put_table(bad, key_of(day, "quarantine.parquet"))
    storage.put(json.dumps(account, sort_keys=True).encode(), key_of(day, "account.json"))
    put_table(online_metrics(con, labelled), key_of(day, "metrics.parquet"))
    return account


def latest_labelled(days: int) -> pa.Table | None:
    """Return schemas.LABELLED of the latest days; None where nothing was ever shown.

    Args:
        days: of the window; it ends with the last day on which anything was shown.

    A column that an older partition lacks is null there.

    Raises:
        StorageError: S3 cannot be reached.

    """
    labelled = latest_shown(
        partition_days(), lambda day: read_parquet(key_of(day, "labelled.parquet")), days
    )
    if not labelled:
        return None
    tables = [schemas.LABELLED.empty_table(), *(labelled[day] for day in sorted(labelled))]
    return pa.concat_tables(tables, promote_options="default")


def partition_days() -> list[date]:
    """Return the days that have a whole partition, ascending."""
    return sorted(stored_by_day("metrics.parquet"))


def stored_by_day(name: str) -> dict[date, Stored]:
    """Return one file of every partition that has it.

    Raises:
        StorageError: S3 cannot be reached.

    """
    start, suffix = f"{PREFIX}day=", f"/{name}"
    return {
        date.fromisoformat(stored.key.removeprefix(start).removesuffix(suffix)): stored
        for stored in storage.stored(start)
        if stored.key.endswith(suffix)
    }


def known_items() -> pa.Table | None:
    """Return the ids of all items of the shop; None where nobody has said which there are."""
    keys = [stored.key for stored in storage.stored(ITEMS)]
    if not keys:
        return None
    return pa.concat_tables([read_parquet(key, ["item_id"]) for key in keys])


def publish_items(application: str, items: pa.Table) -> None:
    """Say which items of an application there are; the column item_id of a table."""
    storage.ensure_bucket(settings().s3_bucket)
    put_table(items.select(["item_id"]), f"{ITEMS}{application}.parquet")


def read_parquet(key: str, columns: list[str] | None = None) -> pa.Table:
    """Read one Parquet object; it is downloaded once for this machine."""
    return pq.read_table(io.BytesIO(object_cache.read(key)), columns=columns)


def _of_day(
    con: duckdb.DuckDBPyConnection, table: str, schema: pa.Schema, order: str, day: date
) -> pa.Table:
    columns = ", ".join(f'"{name}"' for name in schema.names)
    return (
        con.execute(
            f"select {columns} from {table} where day = $1 order by {order}",  # noqa: S608
            [day],
        )
        .to_arrow_table()
        .cast(schema)
    )


def put_table(table: pa.Table, key: str) -> None:
    """Write a table to S3 as Parquet."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    storage.put(buffer.getvalue(), key)
