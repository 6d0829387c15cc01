"""Your own tables: files named after the contract's tables, in its columns or mapped to them.

<table>.csv, .tsv, .csv.gz or .parquet, one name of TABLES each; more files of a table are named
<table>-<anything>. Pictures lie in images/ or images.tar(.gz).
"""

from pathlib import Path

import pyarrow as pa

from components.platform import schemas
from components.platform.errors import DataError, ParamsError
from components.platform.files import read_table
from components.platform.progress import say
from components.shop_ranking.data_ingestion.adapter import Batch, Extract
from components.shop_ranking.data_ingestion.contract import OPTIONAL, connect
from components.shop_ranking.data_ingestion.pictures import photographs
from components.shop_ranking.data_ingestion.sources import copy_file, find, folder_of
from components.shop_ranking.data_ingestion.text_files import Rejects, read_csv
from components.shop_ranking.params import Params

TABLES = tuple(name for name in schemas.TABLES if name not in ("images", "quarantine"))
NEEDED = TABLES[:3]  # one of products, events, orders
PRIVATE = tuple(name for name in TABLES if "user_id" in schemas.TABLES[name].names)
ENDING = r"([-_.].*)?\.((csv|tsv)(\.gz)?|parquet)"
MISSING = "files named products, events or orders (.csv, .tsv, .csv.gz or .parquet)"


def acquire(params: Params, raw: Path) -> None:
    """Copy every file named after a table, and the pictures."""
    folder = folder_of(params)
    find(folder, f"({'|'.join(NEEDED)}){ENDING}", MISSING)
    for file in find(folder, f"({'|'.join(TABLES)}){ENDING}"):
        copy_file(file, raw)
    photographs.snapshot(folder, raw)


def read(raw: Path, params: Params) -> Extract:
    """Return every table that has files; columns are renamed by data.columns."""
    _check_mapping(params.data.columns)
    batches: list[Batch] = []
    rejects: Rejects = []
    for table in TABLES:
        for file in find(raw, table + ENDING):
            if file.suffix == ".parquet":
                rows = read_table(file)
            else:
                rows, bad = read_csv(file, table, private=table in PRIVATE)
                rejects += bad
            mapping = params.data.columns.get(table, {})
            batches.append(Batch(table, file.name, _rename(rows, table, file.name, mapping)))
    described = [b.rows for b in batches if b.table == "products"]
    named = [r.select([c for c in ("item_id", "image") if c in r.column_names]) for r in described]
    known = [t.cast(pa.schema([(name, pa.string()) for name in t.column_names])) for t in named]
    products = pa.concat_tables(known, promote_options="default") if known else None
    images, broken, spare = (
        photographs.read(raw, products, params.data)
        if products
        else (schemas.IMAGES.empty_table(), [], 0)
    )
    return Extract(
        [*batches, Batch("images", "images", images)],
        rejected=[*rejects, *broken],
        excluded={"images": {"picture of no product": spare}} if spare else {},
        images="photographs",
    )


def _check_mapping(columns: dict[str, dict[str, str]]) -> None:
    for table, mapping in columns.items():
        if table not in TABLES:
            raise ParamsError(
                f"data.columns by table ({', '.join(TABLES)})", repr(table), "correct params.yaml"
            )
        unknown = [name for name in mapping if name not in schemas.TABLES[table].names]
        if unknown:
            raise ParamsError(
                f"data.columns.{table} by contract column "
                f"({', '.join(schemas.TABLES[table].names)})",
                ", ".join(unknown),
                "write it as contract column: your column",
            )


def _rename(rows: pa.Table, table: str, source: str, mapping: dict[str, str]) -> pa.Table:
    """Return the contract's columns; a product's further columns become its attributes."""
    schema = schemas.TABLES[table]
    yours = {name: mapping.get(name, name) for name in schema.names}
    absent = [yours[name] for name in mapping if yours[name] not in rows.column_names]
    absent += [
        yours[field.name]
        for field in schema
        if not field.nullable
        and (table, field.name) not in OPTIONAL
        and yours[field.name] not in {*rows.column_names, *absent}
    ]
    if absent:
        raise DataError(
            f"the columns {', '.join(absent)} in {source}",
            ", ".join(rows.column_names)[:200],
            f"rename them or map them in data.columns.{table}",
        )
    present = {name: column for name, column in yours.items() if column in rows.column_names}
    renamed = pa.table({name: rows[column] for name, column in present.items()})
    rest = [name for name in rows.column_names if name not in present.values()]
    if table == "products" and rest and "attributes" not in present:
        return renamed.append_column("attributes", _attributes(rows.select(rest)))
    if rest:
        say(f"{source}: columns outside the contract are left out: {', '.join(rest)}")
    return renamed


def _attributes(rows: pa.Table) -> pa.ChunkedArray:
    con = connect()
    con.register("rows", rows)
    entries = ", ".join(f"({_text(name)}, {_quoted(name)}::varchar)" for name in rows.column_names)
    sql = f"""select map_from_entries(list_filter([{entries}], entry -> entry[2] <> ''))
        as attributes from rows"""  # noqa: S608 - names are quoted
    return con.execute(sql).to_arrow_table()["attributes"]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
