"""What a shop may bring beside products, events and orders: households, promotions, coupons."""

import pytest

from components.platform.pseudonyms import pseudonym
from tests.shop_ranking.data_ingestion.conftest import USERS, Shop, append, write_csv

HEADERS = {
    "shoppers": ["user_id", "attributes"],
    "promotions": ["item_id", "starts_at", "ends_at", "display_share", "mailer_share"],
    "campaigns": ["campaign_id", "item_ids", "starts_at", "ends_at"],
    "campaign_shoppers": ["campaign_id", "user_id"],
    "coupons": ["coupon_id", "campaign_id", "item_ids"],
    "redemptions": ["user_id", "coupon_id", "campaign_id", "timestamp"],
}
ROWS = {
    "shoppers": [[USERS[0], '{"age": "45-54"}'], [USERS[1], ""]],
    "promotions": [["p1", "2024-03-04", "2024-03-11", "0.5", ""]],
    "campaigns": [["spring", "[p1, p2]", "2024-03-01", "2024-04-01"]],
    "campaign_shoppers": [["spring", USERS[0]]],
    "coupons": [["c1", "spring", "[p1]"]],
    "redemptions": [[USERS[0], "c1", "spring", "2024-03-05"]],
}
LATER = {
    "shoppers": ["raw-shopper-carl", ""],
    "promotions": ["p1", "2024-03-11", "2024-03-18", "1", "1"],
    "campaigns": ["summer", "[p3]", "2024-06-01", "2024-07-01"],
    "campaign_shoppers": ["spring", USERS[1]],
    "coupons": ["c1", "summer", "[p3]"],
    "redemptions": [USERS[0], "c1", "spring", "2024-03-06"],
}
BAD = {
    "shoppers": (["", ""], "user_id is missing"),
    "promotions": (["p1", "2024-03-25", "2024-03-25", "", ""], "ends_at is not after starts_at"),
    "campaigns": (["x", "[p1]", "2024-03-02", "2024-03-01"], "ends_at is before starts_at"),
    "campaign_shoppers": (["spring", ""], "user_id is missing"),
    "coupons": (["c2", "spring", ""], "item_ids is missing"),
    "redemptions": ([USERS[0], "c1", "", "soon"], "timestamp is not a date and time"),
}


@pytest.fixture
def rich(shop: Shop) -> Shop:
    for name, header in HEADERS.items():
        write_csv(shop.source / f"{name}.csv", header, ROWS[name])
    return shop


def test_they_are_read_and_no_shopper_is_named(rich: Shop) -> None:
    account = rich.ingest()
    assert {name: account["rows"][name] for name in ROWS} == {k: len(v) for k, v in ROWS.items()}
    shoppers = {row["user_id"]: row["attributes"] for row in rich.table("shoppers").to_pylist()}
    assert shoppers == {pseudonym(USERS[0]): [("age", "45-54")], pseudonym(USERS[1]): None}
    for name in ("campaign_shoppers", "redemptions"):
        assert rich.table(name)["user_id"].to_pylist() == [pseudonym(USERS[0])], name
    [promotion] = rich.table("promotions").to_pylist()
    assert promotion["display_share"] == 0.5
    assert promotion["mailer_share"] is None
    assert rich.table("coupons")["item_ids"].to_pylist() == [["p1"]]
    assert not any(user.encode() in content for user in USERS for content in rich.output().values())


@pytest.mark.parametrize("name", HEADERS)
def test_the_same_file_twice_changes_nothing_and_a_second_one_adds(rich: Shop, name: str) -> None:
    rich.ingest()
    first = rich.table(name)
    write_csv(rich.source / f"{name}-again.csv", HEADERS[name], ROWS[name])
    account = rich.ingest()
    assert rich.table(name).equals(first)
    assert account["repeated"] == {name: first.num_rows}
    write_csv(rich.source / f"{name}-later.csv", HEADERS[name], [LATER[name]])
    account = rich.ingest()
    assert account["quarantined"] == {}
    later = rich.table(name)
    assert later.num_rows == first.num_rows + 1
    assert all(row in later.to_pylist() for row in first.to_pylist())


@pytest.mark.parametrize("name", HEADERS)
def test_a_bad_row_is_set_aside_with_its_reason(rich: Shop, name: str) -> None:
    rich.ingest()
    first = rich.table(name)
    row, reason = BAD[name]
    write_csv(rich.source / f"{name}-bad.csv", HEADERS[name], [row])
    account = rich.ingest(max_quarantined_share=0.6)
    assert rich.table(name).equals(first)
    [(said, count)] = account["quarantined"][name].items()
    assert said.startswith(reason)
    assert count == 1


@pytest.mark.parametrize("share", ["-0.1", "1.1", "nan"])
def test_a_share_is_a_share(rich: Shop, share: str) -> None:
    append(rich.source / "promotions.csv", f"p2,2024-03-04,2024-03-11,{share},{share}")
    account = rich.ingest(max_quarantined_share=0.6)
    assert sum(account["quarantined"]["promotions"].values()) == 1


def test_a_broken_line_about_a_shopper_keeps_its_position_only(rich: Shop) -> None:
    append(rich.source / "shoppers.csv", f"{USERS[1]},a,b,c")
    rich.ingest(max_quarantined_share=0.6)
    assert USERS[1] not in str(rich.table("quarantine").to_pylist())
