"""CSV and JSON lines into Arrow columns, with the broken lines set apart.

No line is lost: it is a row, or it is in the quarantine. (DuckDB's CSV reader skips the rest of a
large file after an unclosed quote without a word, so lines are split by Arrow's.)
"""

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from components.platform.errors import DataError
from components.shop_ranking.data_ingestion.adapter import rejected
from components.shop_ranking.data_ingestion.contract import connect

# Bytes read at once: the longest row that can be read. Capacity only: changes no result.
BLOCK = 64 << 20
DELIMITERS = ",;\t|"
Rejects = list[pa.Table]  # of schemas.QUARANTINE


class _SetAside:
    """Collects the rows Arrow cannot fit into the columns, as quarantine rows."""

    def __init__(self, table: str, source: str, private: bool) -> None:
        self.table, self.source, self.private = table, source, private
        self.rejects: Rejects = []

    def __call__(self, row: arrow_csv.InvalidRow) -> str:
        # After an unclosed quote one "row" spans many lines: each of them counts.
        lines = [{"row": row.number, "line": i} for i in range(row.text.count("\n") + 1)]
        if not self.private:
            texts = row.text.split("\n")
            lines = [{**at, "text": text} for at, text in zip(lines, texts, strict=True)]
        self.add(f"{row.actual_columns} columns instead of {row.expected_columns}", lines)
        return "skip"

    def add(self, reason: str, rows: Iterable[dict[str, Any]]) -> None:
        texts = [json.dumps(row) for row in rows]
        if texts:
            self.rejects.append(rejected(self.table, self.source, reason, texts))


def read_csv(path: Path, table: str, private: bool) -> tuple[pa.Table, Rejects]:
    """Read a delimited text file (.gz too) with a header line; every column is text.

    Lines of another length than the header's and texts that are not UTF-8 are rejected. Where
    lines are `private`, they hold shopper ids: only their position is kept.

    Raises:
        DataError: the file is empty, its header names a column twice, or a quote is not closed.

    """
    names, delimiter = _header(path)
    aside = _SetAside(table, path.name, private)
    read = arrow_csv.ReadOptions(
        use_threads=False, block_size=BLOCK, column_names=names, skip_rows=1
    )
    parse = arrow_csv.ParseOptions(
        delimiter=delimiter, newlines_in_values=True, invalid_row_handler=aside
    )
    convert = arrow_csv.ConvertOptions(
        column_types={name: pa.binary() for name in names},
        null_values=[""],
        strings_can_be_null=True,
    )
    try:
        rows = arrow_csv.read_csv(path, read, parse, convert)
    except pa.ArrowInvalid as error:
        if "Could not skip" not in str(error):  # a header and nothing else
            raise _unreadable(path, error) from error
        rows = pa.table({name: pa.array([], pa.binary()) for name in names})
    if _ends_inside_quotes(path, rows):
        raise _unreadable(path, ValueError("the last quote is never closed"))
    return _decode(rows, aside), aside.rejects


def read_lines(path: Path) -> pa.RecordBatchReader:
    """Return the lines of a text file (.gz too) as the column `line`, binary, without blank ones.

    Raises:
        DataError: the file is empty or its compression is broken.

    """
    options = arrow_csv.ReadOptions(use_threads=False, block_size=BLOCK, column_names=["line"])
    # The delimiter is a control character that neither JSON nor CSV texts hold.
    parse = arrow_csv.ParseOptions(delimiter="\x01", quote_char=False)
    convert = arrow_csv.ConvertOptions(column_types={"line": pa.binary()})
    try:
        return arrow_csv.open_csv(path, options, parse, convert)
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable(path, error) from error


def read_json_lines(
    path: Path, fields: dict[str, Any], table: str, private: bool
) -> tuple[pa.Table, Rejects]:
    """Read one JSON object a line (.gz too); `fields` gives the columns and their SQL types.

    Values of another type than asked for are null; lines that are not JSON objects are rejected.

    Raises:
        DataError: the file is empty or its compression is broken.

    """
    con = connect()
    con.register("lines", read_lines(path))
    kept = "null" if private else "text"
    try:
        read = con.execute(
            f"""select from_json(object, ?) as object, object is null as wrong,
            case when object is null then {kept} end as text from (select text,
                case when json_valid(text) and json_type(text) = 'OBJECT' then text end as object
                from (select try(decode(line)) as text from lines))""",  # noqa: S608 - constants
            [json.dumps(fields)],
        ).to_arrow_table()
    except OSError as error:
        raise _unreadable(path, error) from error
    aside = _SetAside(table, path.name, private)
    places = pc.indices_nonzero(read["wrong"]).to_pylist()
    texts = read["text"].take(pa.array(places, pa.int64())).to_pylist()
    aside.add(
        "the line is not a JSON object",
        ({"line": i + 1} | ({"text": t} if t else {}) for i, t in zip(places, texts, strict=True)),
    )
    objects = read["object"].filter(pc.invert(read["wrong"])).combine_chunks()
    columns = objects.flatten() if len(objects) else [pa.array([], pa.string())] * len(fields)
    return pa.table(dict(zip(fields, columns, strict=True))), aside.rejects


def _header(path: Path) -> tuple[list[str], str]:
    """Return the names in the first line, and what parts them."""
    try:
        with pa.input_stream(path, compression="detect") as stream:
            first = stream.read(1 << 20).split(b"\n", 1)[0].decode("utf-8-sig").strip("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error
    delimiter = max(DELIMITERS, key=first.count)
    names = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
    if not any(names) or len(set(names)) < len(names):
        header = f"the header {first[:80]!r}" if first else "an empty file"
        raise DataError(
            f"a header line of distinct column names in {path.name}", header, "correct the file"
        )
    return names, delimiter


def _ends_inside_quotes(path: Path, rows: pa.Table) -> bool:
    """Tell whether the last row swallowed the lines after a quote that is never closed."""
    last = rows.slice(max(0, rows.num_rows - 1)).to_pylist()
    if not any(b"\n" in (value or b"") for row in last for value in row.values()):
        return False
    with pa.input_stream(path, compression="detect") as stream:
        quotes = sum(block.count(b'"') for block in iter(lambda: stream.read(BLOCK), b""))
    return quotes % 2 == 1


def _decode(rows: pa.Table, aside: _SetAside) -> pa.Table:
    """Return the columns as text; rows that are not UTF-8 are set aside."""
    texts = pa.schema([(name, pa.string()) for name in rows.column_names])
    try:
        return rows.cast(texts)
    except pa.ArrowInvalid:
        con = connect()
        con.register("raw", rows)
        columns = ", ".join(f'try(decode("{name}")) as "{name}"' for name in rows.column_names)
        decoded = con.execute(f"select {columns} from raw").to_arrow_table()  # noqa: S608
        lost = pa.array([False] * rows.num_rows)
        for name in rows.column_names:
            lost = pc.or_(lost, pc.and_(pc.is_null(decoded[name]), pc.is_valid(rows[name])))
        places = pc.indices_nonzero(lost).to_pylist()
        aside.add("the text is not UTF-8", ({"row": place + 2} for place in places))
        return decoded.filter(pc.invert(lost))


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(
        f"a readable text file at {path.name}",
        " ".join(str(error).split())[:200] or type(error).__name__,
        "correct the file",
    )
