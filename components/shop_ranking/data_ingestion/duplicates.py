"""The same row twice changes nothing; the same id with other content is set aside."""
# ruff: noqa: S608 - SQL texts are put together from the contract's own column names

from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from components.platform import schemas
from components.shop_ranking.data_ingestion.contract import connect, quarantine

# What names a row. An order line, or a coupon's redemption, has no id of its own: only its whole
# content makes it the same.
KEYS: dict[str, tuple[str, ...]] = {
    "products": ("item_id",),
    "events": ("event_id",),
    "orders": (),
    "campaigns": ("campaign_id",),
    "shoppers": ("user_id",),
    "promotions": ("item_id", "starts_at"),
    "campaign_shoppers": ("campaign_id", "user_id"),
    "coupons": ("coupon_id", "campaign_id"),
    "redemptions": (),
    "judgments": ("query", "item_id"),
    "images": ("item_id",),
}
# Order of the written rows, so that it never depends on the order of files or of rows in them.
ORDER = {
    **KEYS,
    "events": ("timestamp", "event_id"),
    "orders": ("timestamp", *schemas.ORDERS.names),
    "redemptions": ("timestamp", *schemas.REDEMPTIONS.names),
}


@dataclass(frozen=True)
class Distinct:
    """Rows of one table, one a key, sorted."""

    rows: pa.Table  # the table's schema
    repeated: int  # equal rows that were dropped
    quarantined: list[pa.Table]  # schemas.QUARANTINE: the key came first with other content


def distinct(table: str, parts: list[tuple[str, pa.Table]]) -> Distinct:
    """Keep one row a key: of the first part that has it, and there the least in content.

    `parts` are (source, checked rows) in the order of their files' names, so that a further file
    adds rows but never changes what an earlier one said.
    """
    schema = schemas.TABLES[table]
    before = sum(rows.num_rows for _, rows in parts)
    if before == 0:
        return Distinct(schema.empty_table(), 0, [])
    con = connect()
    numbers = [pa.repeat(pa.scalar(i, pa.int32()), t.num_rows) for i, (_, t) in enumerate(parts)]
    tables = [t.append_column("part", n) for (_, t), n in zip(parts, numbers, strict=True)]
    con.register("every", pa.concat_tables(tables))
    columns = ", ".join(schema.names)
    lost: list[pa.Table] = []
    if not KEYS[table]:
        con.execute(f"create temp view kept as select distinct {columns} from every")
    elif _count(con, f"(select distinct {', '.join(KEYS[table])} from every)") == before:
        con.execute("create temp view kept as from every")
    else:
        lost = _resolve(con, table, [source for source, _ in parts])
    order = ", ".join(ORDER[table])
    rows = con.execute(f"select {columns} from kept order by {order}").to_arrow_table()
    quarantined = sum(t.num_rows for t in lost)
    return Distinct(rows.cast(schema), before - rows.num_rows - quarantined, lost)


def _resolve(con: duckdb.DuckDBPyConnection, table: str, sources: list[str]) -> list[pa.Table]:
    """Make `kept` from `every`, where some keys come more than once; return the rows that lost."""
    key, columns = ", ".join(KEYS[table]), ", ".join(schemas.TABLES[table].names)
    fields = ", ".join(f"'{name}': {name}" for name in schemas.TABLES[table].names)
    con.execute(
        f"""create temp table again as select *, md5(to_json({{{fields}}})) as content
        from every semi join (select {key} from every group by {key} having count(*) > 1)
        using ({key})
        qualify row_number() over (partition by {key}, content order by part) = 1"""
    )
    con.execute(
        f"""create temp table ranked as select *,
        row_number() over (partition by {key} order by part, content) as place from again"""
    )
    con.execute(
        f"""create temp view kept as select {columns} from every anti join again using ({key})
        union all select {columns} from ranked where place = 1"""
    )
    losers = con.execute(
        f"select {columns}, part from ranked where place > 1 order by part, {key}, content"
    ).to_arrow_table()
    reason = f"{' and '.join(KEYS[table])} came before with other content"
    lost = []
    for part in sorted(set(losers["part"].to_pylist())):
        rows = losers.filter(pc.equal(losers["part"], part)).drop_columns("part")
        reasons = pa.repeat(pa.scalar(reason), rows.num_rows)
        lost.append(quarantine(table, sources[part], reasons, rows))
    return lost


def _count(con: duckdb.DuckDBPyConnection, relation: str) -> int:
    (rows,) = con.execute(f"select count(*) from {relation}").fetchall()[0]
    return int(rows)
