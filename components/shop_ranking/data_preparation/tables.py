"""The contract's tables as Ibis tables, and the one place that chooses where they are computed."""

import json
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
from ibis.backends import BaseBackend
from ibis.expr.types import Table

from components.platform import schemas
from components.platform.errors import DataError, ServiceError
from components.platform.settings import settings

OPTIONAL = ("orders", "images")  # empty where a dataset has none
LOOPBACK = "127.0.0.1"
REMEDY = "run the stage data_ingestion again"


def connect() -> BaseBackend:
    """Return the engine: DuckDB in this process, or Spark. Every expression is plain Ibis.

    Raises:
        DataError: Spark is asked for and not installed.
        ServiceError: it does not start, or the master does not answer.

    """
    master = settings().spark_master
    return _spark(master) if master else ibis.duckdb.connect()


def _spark(master: str) -> BaseBackend:
    """Return a session of the master; what else it needs stands in Spark's own configuration."""
    try:
        from pyspark.sql import SparkSession
    except ModuleNotFoundError as error:
        raise DataError(
            f"pyspark, for SHOPFUSION_SPARK_MASTER={master}", "none", "run `make install-scale`"
        ) from error
    session = SparkSession.builder.appName("shopfusion").master(master)
    if master.startswith("local"):
        session = session.config("spark.driver.bindAddress", LOOPBACK)
        session = session.config("spark.driver.host", LOOPBACK).config("spark.ui.enabled", "false")
    try:
        started = session.getOrCreate()
    except Exception as error:  # of PySpark or of its bridge to Java, each with a tree of its own
        raise ServiceError(
            f"a Spark session of {master}",
            " ".join(str(error).split())[:200],
            "install Java 17 or newer, or correct SHOPFUSION_SPARK_MASTER",
        ) from error
    return ibis.pyspark.connect(started)


def open_tables(con: BaseBackend, folder: Path) -> dict[str, Table]:
    """Return events, products, orders and images of `folder`.

    Raises:
        DataError: a table is absent, unreadable or empty, or its columns are not the contract's.

    """
    return {
        name: _open(con, folder / f"{name}.parquet", name)
        for name in ("events", "products", *OPTIONAL)
    }


def _open(con: BaseBackend, path: Path, name: str) -> Table:
    wanted = schemas.TABLES[name]
    if not path.exists() and name in OPTIONAL:
        return con.create_table(f"no_{name}", wanted.empty_table())
    try:
        file = pq.ParquetFile(path)
    except FileNotFoundError as error:
        raise DataError(f"the file {path}", "none", REMEDY) from error
    except pa.ArrowInvalid as error:
        raise DataError(f"a Parquet file at {path}", str(error).splitlines()[0], REMEDY) from error
    with file:
        _check_columns(path, file.schema_arrow, wanted)
        rows = file.metadata.num_rows
    if rows == 0 and name not in OPTIONAL:
        raise DataError(f"rows in {path}", "an empty table", "check the raw data, then " + REMEDY)
    return con.read_parquet(path, table_name=name)


def _check_columns(path: Path, stored: pa.Schema, wanted: pa.Schema) -> None:
    for field in wanted:
        place = stored.get_field_index(field.name)
        if place < 0:
            raise DataError(
                f"a column {field.name} in {path}", f"columns {', '.join(stored.names)}", REMEDY
            )
        if stored.field(place).type != field.type:
            raise DataError(
                f"{field.type} in column {field.name} of {path}",
                str(stored.field(place).type),
                REMEDY,
            )


def read_ingestion(folder: Path) -> dict[str, Any]:
    """Return what data ingestion noted: dataset, protocol, simulated, counts.

    Raises:
        DataError: the note is absent or not JSON.

    """
    path = folder / "ingestion.json"
    try:
        noted = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise DataError(f"the file {path}", "none", REMEDY) from error
    except ValueError as error:
        raise DataError(f"JSON in {path}", str(error), REMEDY) from error
    return dict(noted)
