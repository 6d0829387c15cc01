"""Which segments of events there are in S3, and which days each of them speaks of."""

import io
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from components.platform import object_cache, schemas, storage

SEGMENTS = "events/segments/"  # where the server's shipper puts them; each is written once
INDEX = "feedback/segments.parquet"
INDEX_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("days", pa.list_(pa.date32()), nullable=False),  # of the events in it
    ]
)
# Every column is read as text: the contract decides what it is, not the reader.
COLUMNS = ", ".join(f"'{name}': 'varchar'" for name in schemas.LOGGED_EVENTS.names)


def connect() -> duckdb.DuckDBPyConnection:
    """Return a database in memory whose days are days of UTC."""
    con = duckdb.connect()
    con.execute("set timezone = 'UTC'")
    con.execute("set preserve_insertion_order = true")
    return con


def read_index() -> pa.Table:
    """Return what earlier runs learnt about segments; it can be made again from them at any time.

    Raises:
        StorageError: S3 cannot be reached.

    """
    if not storage.stored(INDEX):
        return INDEX_SCHEMA.empty_table()
    return pq.read_table(io.BytesIO(storage.get(INDEX))).cast(INDEX_SCHEMA)


def write_index(index: pa.Table) -> None:
    """Replace the index."""
    buffer = io.BytesIO()
    pq.write_table(index.sort_by("key"), buffer, compression="zstd")
    storage.put(buffer.getvalue(), INDEX)


def index_new(index: pa.Table, scratch: Path) -> pa.Table:
    """Return the index with segments that it lacked; each is read once for this.

    Raises:
        StorageError: S3 cannot be reached.

    """
    known = set(index["key"].to_pylist())
    new = [segment for segment in storage.stored(SEGMENTS) if segment.key not in known]
    if not new:
        return index
    con = connect()
    files = fetch([segment.key for segment in new], scratch)
    rows = con.execute(
        f"""select parse_filename(filename) as name,
            list_sort(list_distinct(list(coalesce(try_cast(timestamp as timestamptz),
            try_cast(received_at as timestamptz))::date))) as days
        from {reading(files)} group by all"""  # noqa: S608 - names of our own files
    ).fetchall()
    days = dict(rows)
    added = pa.table(
        {
            "key": [segment.key for segment in new],
            "size": [segment.size for segment in new],
            "days": [days.get(Path(segment.key).name, []) for segment in new],
        },
        schema=INDEX_SCHEMA,
    )
    return pa.concat_tables([index, added])


def of_days(index: pa.Table, first: date, last: date) -> list[str]:
    """Return the keys of segments with an event from `first` to `last`, both included."""
    con = connect()
    con.register("known", index)
    rows = con.execute(
        "select key from known where len(list_filter(days, d -> d between $1 and $2)) > 0 "
        "order by key",
        [first, last],
    ).fetchall()
    return [key for (key,) in rows]


def fetch(keys: Iterable[str], scratch: Path) -> list[Path]:
    """Copy segments into `scratch` unless they are there; each is downloaded once."""
    files = []
    for key in keys:
        path = scratch / Path(key).name
        if not path.exists():
            path.write_bytes(object_cache.read(key))
        files.append(path)
    return files


def reading(files: Sequence[Path]) -> str:
    """Return SQL that reads the segments, each column as text."""
    names = ", ".join(f"'{path}'" for path in files)
    return f"read_json([{names}], format='newline_delimited', columns={{{COLUMNS}}}, filename=true)"
