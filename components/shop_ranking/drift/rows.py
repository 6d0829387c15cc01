"""Weekly counts of what happened, from the tables of the data contract and from feedback."""
# ruff: noqa: S608 - SQL texts are put together from constants of this file

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from scipy.sparse import csr_array

from components.platform.drift.statistics import Histogram, Share, Statistic
from components.platform.errors import DataError
from components.platform.feedback.served_events import LABELLED, add_feedback, read_feedback
from components.platform.files import read_table
from components.platform.params.loop import DriftParams

TABLES = ("orders", "events", "products", "quarantine")
# Column of the dashboard -> its value in SQL, over the lines (or baskets) of a week. Numbers are
# put into bins of equal ratio, because prices and baskets are skewed.
LINE_COLUMNS = {
    "category": "coalesce(category, 'none')",
    "brand": "coalesce(brand, 'none')",
    "price": "coalesce(floor(2 * log2(greatest(price, 0.01)))::int::varchar, 'none')",
    "discount share": "coalesce(floor(10 * least(discounted, 0.99))::int::varchar, 'none')",
    "hour": "hour(local)::varchar",
    "weekday": "dayname(local)",
}
BASKET_COLUMNS = {"basket size": "floor(2 * log2(lines))::int::varchar"}
MISSING = ("title", "category", "brand", "price")


@dataclass(frozen=True)
class Rows:
    """The rows in a database: tables `lines`, `weeks`, `labelled` and `quarantined`."""

    con: duckdb.DuckDBPyConnection
    weeks: list[date]  # Mondays of the complete weeks, ascending

    def matrix(self, sql: str) -> tuple[list[str], csr_array]:
        """Return the labels of a query's (week, label, n), ascending, and n as (W, labels)."""
        counted = self.con.execute(
            f"""with counted as ({sql}) select number, label, counted.n as n from counted
            join weeks using (week) order by label"""
        ).to_arrow_table()
        coded = counted["label"].combine_chunks().dictionary_encode()
        shape = (len(self.weeks), len(coded.dictionary))
        cells = (counted["number"].to_numpy(), coded.indices.to_numpy())
        counts = counted["n"].to_numpy().astype(np.float64)
        return coded.dictionary.to_pylist(), csr_array((counts, cells), shape=shape)


def read_rows(tables: Path, feedback: Path | None, timezone: str) -> Rows:
    """Read the tables, let feedback take over from its first record on, and number the weeks.

    Raises:
        DataError: a table is absent, the time zone is unknown, or no week is complete.

    """
    contract = {name: read_table(tables / f"{name}.parquet") for name in TABLES}
    fed_back = read_feedback(feedback) if feedback else None
    if fed_back is not None:
        add_feedback(contract, fed_back)
    con = duckdb.connect()
    con.execute("set timezone = 'UTC'")
    for name, table in contract.items():
        con.register(name, table)
    try:
        con.execute("create macro local_time(t) as t at time zone '" + timezone + "'")
        _lines(con, has_orders=contract["orders"].num_rows > 0)
    except duckdb.Error as error:
        raise DataError(
            f"tables of the data contract in {tables} and a time zone",
            " ".join(str(error).split())[:200],
            "run data_ingestion again, or correct drift.timezone",
        ) from error
    _labelled(con, feedback)
    return Rows(con, _number_weeks(con, tables))


def _lines(con: duckdb.DuckDBPyConnection, *, has_orders: bool) -> None:
    """One row a bought item, or for a source without orders one an event of interest."""
    bought = """select order_id, user_id, item_id, timestamp, quantity, unit_price as price,
        coalesce(discount, 0) / nullif(coalesce(discount, 0) + unit_price * quantity, 0)
        as discounted from orders"""
    touched = """select session_id as order_id, user_id, item_id, timestamp, 1 as quantity,
        null as price, null as discounted from events
        where item_id is not null and event_type <> 'impression'"""
    con.execute(
        f"""create temp table lines as
        select order_id, user_id, item_id, timestamp, local_time(timestamp) as local,
        date_trunc('week', local_time(timestamp))::date as week, quantity,
        coalesce(raw.price, p.price) as price, discounted, title,
        array_to_string(string_split(category, ' > ')[1:2], ' > ') as category, brand
        from ({bought if has_orders else touched}) as raw
        left join products as p using (item_id)"""
    )
    con.execute(
        """create temp table quarantined as select date_trunc('week', local_time(
        try_cast(json_extract_string(row, '$.timestamp') as timestamptz)))::date as week
        from quarantine where "table" in ('orders', 'events') and source <> 'data.lines'"""
    )


def _labelled(con: duckdb.DuckDBPyConnection, feedback: Path | None) -> None:
    """Every shown item with what became of it; empty where nothing was fed back."""
    files = sorted(feedback.glob(f"day=*/{LABELLED}")) if feedback else []
    columns = "impression_id, position, score, clicked, purchased"
    if files:
        tables = [read_table(file) for file in files]  # older ones may lack a column
        con.register("shown", pa.concat_tables(tables, promote_options="default"))
    else:
        con.execute(
            """create temp view shown as select ''::varchar as impression_id, 0 as position,
            0.0::float as score, false as clicked, false as purchased,
            now() as timestamp where false"""
        )
    con.execute(
        f"""create temp table labelled as select {columns},
        date_trunc('week', local_time(timestamp))::date as week from shown"""
    )


def _number_weeks(con: duckdb.DuckDBPyConnection, tables: Path) -> list[date]:
    """Number the complete weeks: those that the data covers from Monday to Sunday."""
    numbered = con.execute(
        """with span as (select min(local) as first, max(local) as last from lines)
        select distinct week from lines, span
        where week >= first::date - 0 and week + 7 <= last::date + 1 order by week"""
    ).fetchall()
    weeks = [row[0] for row in numbered]
    if not weeks:
        raise DataError(
            f"a complete week (Monday to Sunday) in {tables}", "none", "bring more data"
        )
    con.register("weeks", pa.table({"week": weeks, "number": range(len(weeks))}))
    return weeks


def input_statistics(rows: Rows, params: DriftParams) -> list[Statistic]:
    """Return a histogram for every column of lines and baskets."""
    statistics: list[Statistic] = []
    baskets = "(select week, order_id, count(*) as lines from lines group by all)"
    for source, columns in (("lines", LINE_COLUMNS), (baskets, BASKET_COLUMNS)):
        for name, value in columns.items():
            sql = f"select week, {value} as label, count(*) as n from {source} group by all"
            labels, counts = rows.matrix(sql)
            counts_WB = counts.toarray()
            statistics.append(Histogram(name, "input", tuple(labels), counts_WB, params.rare_share))
    return statistics


def data_quality_statistics(rows: Rows) -> list[Statistic]:
    """Return the shares of missing values, of repeated lines and of quarantined rows."""
    holes = " or ".join(f"{name} is null" for name in MISSING)
    repeated = "select week from lines group by week, order_id, item_id, timestamp, quantity"
    every = _a_week(rows, "select week, count(*) as n from lines group by all")
    missing = _a_week(rows, f"select week, count(*) as n from lines where {holes} group by all")
    distinct = _a_week(rows, f"select week, count(*) as n from ({repeated}) group by all")
    bad = _a_week(rows, "select week, count(*) as n from quarantined group by all")
    return [
        Share("missing values", "data quality", missing, every),
        Share("repeated lines", "data quality", every - distinct, every),
        Share("quarantined rows", "data quality", bad, every + bad),
    ]


def _a_week(rows: Rows, sql: str) -> np.ndarray:
    counted = rows.con.execute(
        f"with counted as ({sql}) select number, counted.n from counted join weeks using (week)"
    ).to_arrow_table()
    counts_W = np.zeros(len(rows.weeks))
    counts_W[counted["number"].to_numpy()] = counted["n"].to_numpy()
    return counts_W
