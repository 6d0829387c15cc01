"""What users did in front of the server, as rows of the data contract.

Feedback ingestion leaves partitions `day=YYYY-MM-DD/events.parquet` (schemas.SERVED_EVENTS) in a
folder or in S3. Raw data and feedback never overlap: from the moment the server wrote its first
record on, feedback alone is the account of what happened. The raw rows of that time (an export
that goes on, or the very rows that a replay plays) are left out, and so are events that say
they happened earlier. So no purchase counts twice, whatever its ids are.
"""
# ruff: noqa: S608 - SQL texts are put together from the contract's own column names

import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.platform import schemas
from components.platform.errors import DataError

EVENTS, LABELLED = "events.parquet", "labelled.parquet"
IN_S3 = "s3:"  # data.feedback = s3:feedback/ is a prefix in the bucket of the environment
NO_INTEREST = ("impression",)  # shown, not chosen: of use to off-policy estimates, not to training


@dataclass(frozen=True)
class Feedback:
    """Events since the server's first record, one an event_id, in time order."""

    since: datetime
    events: pa.Table  # schemas.SERVED_EVENTS


def snapshot(source: str, folder: Path, name: str = EVENTS) -> int:
    """Copy one file of every partition into `folder`; return the number of partitions.

    `source` is a folder, or `s3:` and a prefix; then each file is downloaded once for this machine.

    Raises:
        DataError: the folder does not exist.
        StorageError: the store cannot be reached.

    """
    if source.startswith(IN_S3):
        from components.platform.object_cache import copy_all

        return len(copy_all(source.removeprefix(IN_S3), folder, f"/{name}"))
    partitions = Path(source)
    if not partitions.is_dir():
        raise DataError(
            "data.feedback to name a folder of partitions, or s3: and a prefix",
            f"no folder at {partitions}",
            "run the DAG feedback_ingestion, or set data.feedback to null",
        )
    files = sorted(partitions.glob(f"day=*/{name}"))
    for file in files:
        target = folder / file.parent.name / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    return len(files)


def days(folder: Path, name: str = EVENTS) -> list[date]:
    """Return the days of a folder's partitions, ascending."""
    names = (path.parent.name.removeprefix("day=") for path in folder.glob(f"day=*/{name}"))
    return sorted(date.fromisoformat(day) for day in names)


def read_feedback(folder: Path) -> Feedback | None:
    """Read the partitions of a folder; None where there is no event yet.

    Raises:
        DataError: a file is not of schemas.SERVED_EVENTS.

    """
    files = sorted(folder.glob(f"day=*/{EVENTS}"))
    if not files:
        return None
    try:
        tables = [pq.read_table(file, partitioning=None) for file in files]
        every = pa.concat_tables(
            [
                table.select(schemas.SERVED_EVENTS.names).cast(schemas.SERVED_EVENTS)
                for table in tables
            ]
        )
    except (pa.ArrowInvalid, KeyError) as error:
        raise DataError(
            f"events as the server logs them in {folder}",
            str(error).splitlines()[0],
            "run the DAG feedback_ingestion again",
        ) from error
    since = pc.min(every["received_at"]).as_py()
    if since is None:
        return None
    con = _connect()
    con.register("every", every)
    con.execute("set variable since = $1", [since])
    columns = ", ".join(schemas.SERVED_EVENTS.names)
    kept = con.sql(
        f"""select {columns} from every where timestamp >= getvariable('since')
        qualify row_number() over (partition by event_id order by received_at) = 1
        order by timestamp, event_id"""
    ).to_arrow_table()
    return Feedback(since.astimezone(UTC), kept.cast(schemas.SERVED_EVENTS))


def add_feedback(tables: dict[str, pa.Table], feedback: Feedback) -> dict[str, int]:
    """Let feedback take over `events` and `orders` from its first record on.

    Changes `tables` in place.

    Returns:
        rows that were left out because feedback tells of their time, a table.

    """
    left_out = {}
    for name, added in (("events", events_of(feedback)), ("orders", orders_of(feedback))):
        table = tables[name]
        earlier = table.filter(pc.less(table["timestamp"], pa.scalar(feedback.since, schemas.UTC)))
        left_out[name] = table.num_rows - earlier.num_rows
        tables[name] = pa.concat_tables([earlier, added])
    return left_out


def events_of(feedback: Feedback) -> pa.Table:
    """Return what users did, as schemas.EVENTS; what was only shown is left out."""
    con = _connect()
    con.register("served", feedback.events)
    columns = ", ".join(schemas.EVENTS.names)
    return (
        con.execute(
            f"select {columns} from served where not list_contains($1, event_type)", [NO_INTEREST]
        )
        .to_arrow_table()
        .cast(schemas.EVENTS)
    )


def orders_of(feedback: Feedback) -> pa.Table:
    """Return what users bought, as schemas.ORDERS; the lines of a session are one order."""
    con = _connect()
    con.register("served", feedback.events)
    return (
        con.sql(
            """select coalesce(session_id, event_id) as order_id, user_id, timestamp, item_id,
        coalesce(value, 1)::float as quantity, price as unit_price, null::float as discount
        from served where event_type = 'purchase' and item_id is not null"""
        )
        .to_arrow_table()
        .cast(schemas.ORDERS)
    )


def _connect() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute("set timezone = 'UTC'")
    return con
