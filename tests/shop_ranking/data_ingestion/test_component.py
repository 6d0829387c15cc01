import json

import pytest

from components.platform import schemas
from components.platform.errors import DataError, ParamsError
from components.platform.files import read_table
from components.platform.pseudonyms import pseudonym
from tests.shop_ranking.data_ingestion.conftest import (
    EVENTS,
    ORDERS,
    USERS,
    Shop,
    append,
    jpeg,
    write_csv,
)


def test_tables_keep_the_contract_and_every_row_is_accounted_for(shop: Shop) -> None:
    account = shop.ingest()
    for name, schema in schemas.TABLES.items():
        assert shop.table(name).schema.equals(schema), name
    assert account["rows"] == {
        "products": 3,
        "events": 70,  # the source tells of purchases as orders only: 30 of these
        "orders": 30,
        **dict.fromkeys(("campaigns", "shoppers", "promotions", "campaign_shoppers"), 0),
        **dict.fromkeys(("coupons", "redemptions", "judgments"), 0),
        "images": 2,
    }
    assert account["images"] == "photographs"
    assert not account["simulated"]
    assert account["quarantined"] == account["repeated"] == {}
    products = shop.table("products").to_pylist()
    assert products[0]["attributes"] == [("colour", "red")]
    assert products[2]["title"] == 'The "best" mug\nfor two'
    assert products[2]["price"] is None


def test_same_input_gives_the_same_bytes(shop: Shop) -> None:
    shop.ingest()
    raw = {p.name: p.read_bytes() for p in (shop.run / "data/raw").iterdir()}
    first = shop.output()
    shop.ingest()
    assert shop.output() == first
    assert {p.name: p.read_bytes() for p in (shop.run / "data/raw").iterdir()} == raw


def test_the_same_file_twice_changes_nothing_but_the_count(shop: Shop) -> None:
    shop.ingest()
    first = shop.output()
    for name in ("products", "events", "orders"):
        copy = shop.source / f"{name}-again.csv"
        copy.write_bytes((shop.source / f"{name}.csv").read_bytes())
    account = shop.ingest()
    assert account["repeated"] == {"products": 3, "events": 40, "orders": 30}
    second = shop.output()
    assert {k: v for k, v in second.items() if k != "ingestion.json"} == {
        k: v for k, v in first.items() if k != "ingestion.json"
    }


def test_rows_in_another_order_change_nothing(shop: Shop) -> None:
    shop.ingest()
    first = shop.output()
    for name in ("events", "orders"):
        header, *rows = (shop.source / f"{name}.csv").read_text().splitlines()
        (shop.source / f"{name}.csv").write_text("\n".join([header, *reversed(rows)]) + "\n")
    shop.ingest()
    assert shop.output() == first


def test_a_second_file_adds(shop: Shop) -> None:
    shop.ingest()
    before = set(shop.table("events")["event_id"].to_pylist())
    line = ["o99", USERS[0], "2024-04-01", "p1", "2", "4.5"]
    write_csv(shop.source / "orders-april.csv", ORDERS, [line])
    account = shop.ingest()
    assert account["rows"]["orders"] == 31
    assert set(shop.table("events")["event_id"].to_pylist()) - before == {"o99-p1"}


def test_a_later_file_never_changes_what_an_earlier_one_said(shop: Shop) -> None:
    columns = ["item_id", "title"]
    write_csv(shop.source / "products-z.csv", columns, [["p1", "Another mug"]])
    account = shop.ingest(max_quarantined_share=0.5)
    assert account["quarantined"] == {"products": {"item_id came before with other content": 1}}
    assert shop.table("products")["title"][0].as_py() == "Red mug"
    [row] = shop.table("quarantine").to_pylist()
    assert row["source"] == "products-z.csv"
    assert json.loads(row["row"])["title"] == "Another mug"


def test_an_item_without_product_row_is_added_bare(shop: Shop) -> None:
    append(shop.source / "orders.csv", "o99,x,2024-03-01,unknown-item,1,2")
    account = shop.ingest()
    assert account["bare_products"] == 1
    bare = shop.table("products").to_pylist()[-1]
    assert bare.pop("item_id") == "unknown-item"
    assert set(bare.values()) == {None}


def test_events_without_id_get_one_from_their_content(shop: Shop) -> None:
    rows = [[USERS[0], "2024-03-01", "view", "p1"], [USERS[0], "2024-03-02", "view", "p1"]]
    write_csv(shop.source / "events.csv", EVENTS[1:5], rows)
    shop.ingest()
    first = shop.table("events")["event_id"].to_pylist()
    write_csv(shop.source / "events.csv", EVENTS[1:5], [rows[1], rows[0], rows[1]])
    account = shop.ingest()
    assert shop.table("events")["event_id"].to_pylist() == first
    assert len(set(first)) == len(first)
    assert account["repeated"] == {"events": 1}


def test_purchases_among_the_events_are_not_told_twice(shop: Shop) -> None:
    append(shop.source / "events.csv", f"e99,{USERS[0]},2024-03-01,purchase,p1,")
    assert shop.ingest()["rows"]["events"] == 41


def test_no_raw_shopper_id_reaches_an_output(shop: Shop) -> None:
    append(
        shop.source / "events.csv",
        f"e90,{USERS[0]},not a date,view,p1,",
        f"e91,{USERS[1]},2024-03-01,view,p1,mug,one,too,many",
        f"e92,{USERS[1]},2024-03-01",
    )
    append(shop.source / "orders.csv", f"o90,{USERS[0]},2024-03-01,p1,many,1")
    account = shop.ingest(max_quarantined_share=0.5)
    assert sum(account["quarantined"]["events"].values()) == 3
    kept = [name for name in shop.output() if name.endswith(".parquet")]
    for name in kept:
        text = str(read_table(shop.run / "data/tables" / name).to_pydict())
        assert "raw-shopper" not in text, name
    assert all(b"raw-shopper" not in content for content in shop.output().values())
    assert pseudonym(USERS[0]) in str(shop.table("quarantine").to_pydict())


def test_too_many_bad_rows_stop_the_run_with_table_share_and_reason(shop: Shop) -> None:
    append(shop.source / "orders.csv", *[f"o9{i},x,2024-03-01,p1,1,-5" for i in range(4)])
    with pytest.raises(DataError, match=r"orders.*11\.8% \(4 of 34\).*unit_price is negative"):
        shop.ingest()
    assert not (shop.run / "data/tables").exists()
    assert shop.ingest(max_quarantined_share=0.2)["quarantined"] == {
        "orders": {"unit_price is negative": 4}
    }


def test_a_corrupt_picture_is_set_aside_and_its_product_stays(shop: Shop) -> None:
    (shop.source / "images/p1.jpg").write_bytes(jpeg()[:200])
    with pytest.raises(DataError, match=r"images.*50\.0%.*picture cannot be read"):
        shop.ingest()
    account = shop.ingest(max_quarantined_share=0.5)
    assert account["rows"]["products"] == 3
    assert shop.table("images")["item_id"].to_pylist() == ["p2"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: (s / "orders.csv").write_text(",".join(ORDERS) + "\n"), "rows of orders"),
        (lambda s: (s / "orders.csv").write_text(""), "header line.*orders.csv.*an empty file"),
        (lambda s: (s / "orders.csv").write_text("a,b\n1,2\n"), "columns order_id, user_id"),
        (lambda s: (s / "orders.csv").write_text('order_id,x\n1,"2\n3,4\n'), "never closed"),
        (lambda s: (s / "orders.parquet").write_text("x"), "a Parquet file"),
        (lambda s: append(s / "products.csv", f"p9,{'x' * 100_000},1,,"), "title is longer than"),
        (lambda s: append(s / "products.csv", "p1,Other,1,,"), "item_id came before with other"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(shop: Shop, change, message: str) -> None:
    change(shop.source)
    with pytest.raises(DataError, match=message) as error:
        shop.ingest()
    assert "\n" not in str(error.value)
    assert not (shop.run / "data/tables").exists()
    assert not list((shop.run / "data").glob(".tables*"))


def test_missing_files_are_one_line(shop: Shop) -> None:
    for path in shop.source.glob("*.csv"):
        path.unlink()
    with pytest.raises(DataError, match=r"files named products, events or orders .* found images"):
        shop.ingest()
    with pytest.raises(DataError, match="no folder at"):
        shop.ingest(path=str(shop.source / "nowhere"))
    with pytest.raises(DataError, match="found no path"):
        shop.ingest(path=None)


def test_columns_are_mapped(shop: Shop) -> None:
    lines = [["1", USERS[0], "1709290800", "p1", "3"]]
    write_csv(shop.source / "orders.csv", ["nr", "customer", "when", "sku", "n"], lines)
    mapping = {"order_id": "nr", "user_id": "customer", "timestamp": "when", "item_id": "sku"}
    shop.ingest(columns={"orders": {**mapping, "quantity": "n"}})
    [line] = shop.table("orders").to_pylist()
    assert line["timestamp"].isoformat() == "2024-03-01T11:00:00+00:00"
    assert line["user_id"] == pseudonym(USERS[0])
    with pytest.raises(DataError, match=r"the columns pieces in orders.csv"):
        shop.ingest(columns={"orders": {**mapping, "quantity": "pieces"}})
    with pytest.raises(ParamsError, match=r"data.columns.orders.*found amount"):
        shop.ingest(columns={"orders": {"amount": "n"}})


def test_columns_outside_the_contract_are_named(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [["o1", USERS[0], "2024-03-01", "p1", "1", "2", "by card"]]
    write_csv(shop.source / "orders.csv", [*ORDERS, "payment"], lines)
    shop.ingest()
    assert "orders.csv: columns outside the contract are left out: payment" in (
        capsys.readouterr().out
    )
