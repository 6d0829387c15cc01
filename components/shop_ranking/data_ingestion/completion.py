"""What follows from the rows: purchases told only as orders, products that nothing describes."""

import pyarrow as pa

from components.platform import schemas
from components.shop_ranking.data_ingestion.contract import connect


def purchases(orders: pa.Table) -> pa.Table:
    """Return one purchase event an order line, for a source that tells of purchases as orders.

    The id is order and item, numbered in the order of content where an order has an item twice.
    """
    con = connect()
    con.register("orders", orders)
    return (
        con.execute(
            """with lines as (select *, row_number() over (partition by order_id, item_id
                order by timestamp, quantity, unit_price, discount, user_id) as line
                from orders)
            select order_id || '-' || item_id || case when line > 1 then '-' || line else '' end
            as event_id, user_id, order_id as session_id, timestamp, 'purchase' as event_type,
            item_id, null::varchar as query, null::varchar as surface, null::int as position,
            null::float as propensity, null::varchar as model_version, quantity as value
            from lines order by timestamp, event_id"""
        )
        .to_arrow_table()
        .cast(schemas.EVENTS)
    )


def bare_products(tables: dict[str, pa.Table]) -> pa.Table:
    """Return a row of nulls for every item that is referred to but has no product row."""
    con = connect()
    for name, table in tables.items():
        con.register(name, table)
    bare = con.execute(
        """select item_id from (select item_id from events union select item_id from orders
        union select item_id from judgments union select unnest(item_ids) from campaigns)
        where item_id is not null and item_id not in (select item_id from products)
        order by item_id"""
    ).to_arrow_table()
    nulls = [pa.nulls(bare.num_rows, field.type) for field in list(schemas.PRODUCTS)[1:]]
    return pa.table([bare["item_id"], *nulls], schema=schemas.PRODUCTS)
