import pyarrow as pa

from components.platform import schemas
from components.shop_ranking.data_ingestion.completion import bare_products, purchases


def orders_of(*lines: tuple[str, str, float]) -> pa.Table:
    rows = [
        {"order_id": o, "user_id": "u", "timestamp": 0, "item_id": i, "quantity": q}
        for o, i, q in lines
    ]
    return pa.Table.from_pylist(rows, schema=schemas.ORDERS)


def test_an_order_line_is_a_purchase_event_named_after_order_and_item() -> None:
    lines = [("o1", "p", 2.0), ("o1", "q", 1.0), ("o1", "p", 1.0)]
    events = purchases(orders_of(*lines))
    assert events["event_id"].to_pylist() == ["o1-p", "o1-p-2", "o1-q"]
    assert events["value"].to_pylist() == [1.0, 2.0, 1.0]
    assert events["session_id"].to_pylist() == ["o1"] * 3
    assert set(events["event_type"].to_pylist()) == {"purchase"}
    assert purchases(orders_of(*reversed(lines))).equals(events)


def test_every_reference_without_product_becomes_a_bare_row() -> None:
    tables = {name: schema.empty_table() for name, schema in schemas.TABLES.items()}
    tables["products"] = pa.Table.from_pylist([{"item_id": "a"}], schema=schemas.PRODUCTS)
    tables["orders"] = orders_of(("o", "a", 1), ("o", "b", 1))
    tables["campaigns"] = pa.Table.from_pylist(
        [{"campaign_id": "c", "item_ids": ["b", "d"]}], schema=schemas.CAMPAIGNS
    )
    tables["judgments"] = pa.Table.from_pylist(
        [{"query": "q", "item_id": "e", "grade": 1}], schema=schemas.JUDGMENTS
    )
    assert bare_products(tables)["item_id"].to_pylist() == ["b", "d", "e"]
