"""Complete Journey beside its receipts: households, promotions, who got a campaign, coupons."""
# ruff: noqa: S608 - every SQL text is put together from constants of this file

from pathlib import Path

import duckdb
import pyarrow as pa

from components.platform.files import read_table
from components.shop_ranking.data_ingestion.adapter import Batch, rejected

FILES = ("demographics", "promotions", "campaigns", "coupons", "coupon_redemptions")
# Column of the source -> name of the attribute.
HOUSEHOLD = {
    "age": "age",
    "income": "income",
    "home_ownership": "home_ownership",
    "marital_status": "marital_status",
    "household_size": "household_size",
    "household_comp": "household_composition",
    "kids_count": "kids",
}
# The shop's week 1 ends with Sunday, 2017-01-01, by the clock of its till.
WEEK_0, CLOCK = "2016-12-19", "America/New_York"
NONE = "'0'"  # the source's code of no display, and of no mailer


def read_marketing(con: duckdb.DuckDBPyConnection, raw: Path) -> tuple[list[Batch], pa.Table]:
    """Return every table beside the receipts, and the promotions that name no week or store."""
    for name in FILES:
        if name != "promotions":  # too large to be held
            con.register(name, read_table(raw / f"{name}.parquet"))
    promotions, incomplete = _promotions(con, raw / "promotions.parquet")
    return [
        Batch("shoppers", "demographics.parquet", _shoppers(con)),
        Batch("promotions", "promotions.parquet", promotions),
        Batch("campaign_shoppers", "campaigns.parquet", _campaign_shoppers(con)),
        Batch("coupons", "coupons.parquet", _coupons(con)),
        Batch("redemptions", "coupon_redemptions.parquet", _redemptions(con)),
    ], incomplete


def _shoppers(con: duckdb.DuckDBPyConnection) -> pa.Table:
    entries = ", ".join(f"('{name}', {column})" for column, name in HOUSEHOLD.items())
    return con.sql(
        f"""select household_id::varchar as user_id,
        map_from_entries(list_filter([{entries}], entry -> entry[2] <> '')) as attributes
        from demographics"""
    ).to_arrow_table()


def _promotions(con: duckdb.DuckDBPyConnection, path: Path) -> tuple[pa.Table, pa.Table]:
    """One row a product and week, from 20.9 million of product, store and week; and bad rows.

    The file is streamed, never held. A product on display at two places of a store is two rows:
    stores are bits of a string, so each of them counts once.
    """
    source = "'{}'".format(str(path).replace("'", "''"))
    whole = "product_id is not null and store_id is not null and week is not null"
    bad = con.sql(f"select to_json(row)::varchar from {source} row where not ({whole})").fetchall()
    con.execute(
        f"""create temp table stores as select store_id,
        (row_number() over (order by store_id) - 1)::int as bit
        from (select distinct store_id from {source} where {whole})"""
    )
    ((stores,),) = con.sql("select count(*) from stores").fetchall()
    bits = f"bitstring_agg(bit, 0, {max(stores - 1, 0)})"
    share = {
        name: f"coalesce(bit_count({bits} filter ({name}_location <> {NONE})), 0)"
        for name in ("display", "mailer")
    }
    week = f"(date '{WEEK_0}' + 7 * week::int)::timestamp"
    promotions = con.sql(
        f"""with weekly as (select product_id, week, {share["display"]} as displays,
            {share["mailer"]} as mailers from {source} join stores using (store_id)
            where {whole} group by all),
        open as (select week, count(distinct store_id) as stores from {source} group by week)
        select product_id::varchar as item_id, timezone('{CLOCK}', {week}) as starts_at,
        timezone('{CLOCK}', {week} + interval 7 day) as ends_at,
        displays / stores as display_share, mailers / stores as mailer_share
        from weekly join open using (week)"""
    ).to_arrow_table()
    reason = "product_id, store_id or week is missing"
    return promotions, rejected("promotions", path.name, reason, [row for (row,) in bad])


def _campaign_shoppers(con: duckdb.DuckDBPyConnection) -> pa.Table:
    return con.sql(
        """select campaign_id::varchar as campaign_id, household_id::varchar as user_id
        from campaigns"""
    ).to_arrow_table()


def _coupons(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """One row a coupon of a campaign; a product listed twice counts once."""
    return con.sql(
        """select coupon_upc::varchar as coupon_id, campaign_id::varchar as campaign_id,
        list(distinct product_id::varchar order by product_id::varchar) as item_ids
        from coupons group by all"""
    ).to_arrow_table()


def _redemptions(con: duckdb.DuckDBPyConnection) -> pa.Table:
    return con.sql(
        """select household_id::varchar as user_id, coupon_upc::varchar as coupon_id,
        campaign_id::varchar as campaign_id, redemption_date as timestamp
        from coupon_redemptions"""
    ).to_arrow_table()
