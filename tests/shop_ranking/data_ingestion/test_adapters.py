"""Every adapter on a small source in its layout, and what only one of them does."""

import csv
import gzip
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from components.platform import schemas
from components.platform.errors import DataError, ParamsError
from components.platform.pseudonyms import pseudonym
from components.shop_ranking.data_ingestion.adapters import ADAPTERS, adapter_for
from components.shop_ranking.params import Dataset
from tests.shop_ranking.data_ingestion.conftest import Shop, fill, jpeg, write_csv

STYLE = (
    "id,gender,masterCategory,subCategory,articleType,baseColour,season,year,usage,"
    "productDisplayName"
)


def fill_fashion(folder: Path) -> None:
    lines = [
        STYLE,
        "15970,Men,Apparel,Topwear,Shirts,Navy Blue,Fall,2011.0,Casual,Turtle Men Navy Shirt",
        "39386,Women,Apparel,Bottomwear,Jeans,Blue,Summer,2012.0,Casual,Jeans, slim, blue",
        '39387,Women,Apparel,Bottomwear,Jeans,Blue,,,,"Jeans, ""wide"""',
        "59263,Women,Accessories,Watches",
    ]
    (folder / "styles.csv").write_text("\n".join(lines) + "\n")
    (folder / "images").mkdir()
    for name in ("15970", "39386", "99999"):
        (folder / f"images/{name}.jpg").write_bytes(jpeg())


def fill_amazon(folder: Path) -> None:
    def review(user: str, product: str, stars: float, bought: bool, number: int) -> dict:
        return {
            "rating": stars, "title": "t", "text": "good", "images": [], "asin": "variant",
            "parent_asin": product, "user_id": user, "timestamp": 1588687728923 + number,
            "verified_purchase": bought, "helpful_vote": 0,
        }  # fmt: skip

    reviews = [review("AE222", "B01", 5.0, True, 1), review("AE333", "B02", 1.0, False, 2)]
    text = "\n".join(map(json.dumps, reviews)) + "\n{broken, AE222\n"
    (folder / "Beauty.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    meta = [
        {
            "parent_asin": "B01", "title": "Soap", "main_category": "Beauty", "price": 9.99,
            "features": ["mild"], "description": ["A soap."], "store": "Acme",
            "categories": ["Beauty", "Soap"], "details": {"Colour": "red", "Rank": {"Beauty": 3}},
            "images": [{"thumb": "t", "large": "https://m.example/1.jpg"}],
        },
        {
            "parent_asin": "B03", "title": "Comb", "main_category": "Beauty",
            "price": "from 12.99", "features": [], "description": [], "categories": [],
            "images": [], "details": None, "store": None,
        },
    ]  # fmt: skip
    (folder / "meta_Beauty.jsonl").write_text("\n".join(map(json.dumps, meta)) + "\n")


def fill_retailrocket(folder: Path) -> None:
    columns = ["timestamp", "visitorid", "event", "itemid", "transactionid"]
    events = [
        [1433221332117, 257597, "view", 355908, ""],
        [1433221999827, 257597, "addtocart", 355908, ""],
        [1433222276276, 257597, "transaction", 355908, 4000],
        [1433223236124, 111016, "view", 318965, ""],
    ]
    write_csv(folder / "events.csv", columns, events)
    columns = ["timestamp", "itemid", "property", "value"]
    first = [[1435460400000, 355908, "categoryid", 1338], [1435460400000, 355908, "790", "n100.5"]]
    later = [[1436000000000, 355908, "790", "n99.000"], [1436000000000, 355908, "available", 1]]
    write_csv(folder / "item_properties_part1.csv", columns, first)
    write_csv(folder / "item_properties_part2.csv", columns, later)
    write_csv(folder / "category_tree.csv", ["categoryid", "parentid"], [[1016, ""], [1338, 1016]])


FILLED: dict[str, Callable[[Path], None]] = {
    "fashion-product-images": fill_fashion,
    "amazon-reviews": fill_amazon,
    "retailrocket": fill_retailrocket,
    "tables": fill,
}


@pytest.fixture(params=FILLED)
def filled(request: pytest.FixtureRequest, empty_shop: Callable[[str], Shop]) -> Shop:
    shop = empty_shop(request.param)
    FILLED[request.param](shop.source)
    return shop


def test_every_dataset_of_the_params_has_an_adapter() -> None:
    assert set(ADAPTERS) == set(get_args(Dataset))
    with pytest.raises(ParamsError, match=r"one of amazon-reviews, .* found 'other'"):
        adapter_for("other")


def test_an_unchanged_source_gives_the_same_snapshot(filled: Shop) -> None:
    snapshots = []
    for _ in range(2):
        filled.ingest(max_quarantined_share=1)
        files = sorted((filled.run / "data/raw").iterdir())
        snapshots.append({path.name: path.read_bytes() for path in files})
        for path in filled.source.rglob("*"):
            path.touch()
    assert snapshots[0] == snapshots[1]
    assert snapshots[0]


def test_tables_keep_the_contract(filled: Shop) -> None:
    account = filled.ingest(max_quarantined_share=1)
    for name, schema in schemas.TABLES.items():
        assert filled.table(name).schema.equals(schema), name
    assert account["rows"]["products"] > 0
    assert account["dataset"] == filled.dataset


def test_a_missing_file_is_one_line(filled: Shop) -> None:
    for path in sorted(filled.source.iterdir()):
        if path.is_file() and filled.dataset != "tables":
            content = path.read_bytes()
            path.unlink()
            if not path.name.startswith("item_properties"):  # there are two
                with pytest.raises(DataError, match=r"in .*source; found") as error:
                    filled.ingest()
                assert "\n" not in str(error.value)
            path.write_bytes(content)


def test_fashion_names_keep_their_commas_and_short_lines_are_set_aside(
    empty_shop: Callable[[str], Shop],
) -> None:
    shop = empty_shop("fashion-product-images")
    fill_fashion(shop.source)
    account = shop.ingest(max_quarantined_share=0.5)
    titles = shop.table("products")["title"].to_pylist()
    assert titles == ["Turtle Men Navy Shirt", "Jeans, slim, blue", 'Jeans, "wide"']
    [first, *_] = shop.table("products").to_pylist()
    assert first["category"] == "Apparel > Topwear > Shirts"
    assert dict(first["attributes"]) == {
        "gender": "Men", "colour": "Navy Blue", "season": "Fall", "year": "2011",
        "usage": "Casual",
    }  # fmt: skip
    assert shop.table("images")["item_id"].to_pylist() == ["15970", "39386"]
    assert account["quarantined"] == {"products": {"fewer than 10 columns": 1}}
    assert account["excluded"] == {"images": {"picture of no product": 1}}
    (shop.source / "styles.csv").write_text("id,name\n1,x\n")
    with pytest.raises(DataError, match=r"styles\.csv to begin with id,gender"):
        shop.ingest()


def test_amazon_reviews_are_ratings_and_verified_ones_purchases(
    empty_shop: Callable[[str], Shop],
) -> None:
    shop = empty_shop("amazon-reviews")
    fill_amazon(shop.source)
    account = shop.ingest(max_quarantined_share=0.5)
    events = shop.table("events").to_pylist()
    seen = sorted((e["event_type"], e["item_id"], e["value"]) for e in events)
    assert seen == [("purchase", "B01", 1.0), ("rating", "B01", 5.0), ("rating", "B02", 1.0)]
    assert {e["user_id"] for e in events} == {pseudonym("AE222"), pseudonym("AE333")}
    assert events[0]["timestamp"].isoformat().startswith("2020-05-05T14:08:48.92")
    soap, bare, comb = shop.table("products").sort_by("item_id").to_pylist()
    assert soap["title"] == "Soap"
    assert soap["description"] == "mild A soap."
    assert soap["category"] == "Beauty > Soap"
    assert soap["price"] == pytest.approx(9.99)
    assert soap["image"] == "https://m.example/1.jpg"
    assert dict(soap["attributes"])["Colour"] == "red"
    assert bare["item_id"] == "B02"
    assert comb["price"] is None  # "from 12.99" names no price
    assert account["bare_products"] == 1
    assert account["images"] == "none"
    assert account["quarantined"] == {"events": {"the line is not a JSON object": 1}}
    assert "AE222" not in str(shop.table("quarantine").to_pylist())


def test_retailrocket_takes_the_last_known_properties(
    empty_shop: Callable[[str], Shop],
) -> None:
    shop = empty_shop("retailrocket")
    fill_retailrocket(shop.source)
    shop.ingest()
    kinds = shop.table("events")["event_type"].to_pylist()
    assert kinds == ["view", "add_to_cart", "purchase", "view"]
    [line] = shop.table("orders").to_pylist()
    assert (line["order_id"], line["item_id"], line["quantity"]) == ("4000", "355908", 1.0)
    bare, known = shop.table("products").sort_by("item_id").to_pylist()
    assert (bare["item_id"], bare["category"]) == ("318965", None)
    assert (known["category"], known["price"]) == ("1016 > 1338", 99.0)
    write_csv(shop.source / "category_tree.csv", ["id", "parent"], [[1, 2]])
    with pytest.raises(DataError, match=r"columns categoryid, parentid in category_tree\.csv"):
        shop.ingest()


def test_real_fashion_photographs(shared_data: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    folder = shared_data / "fashion-product-images"
    with (folder / "styles.csv").open(newline="") as file:
        header, *rows = list(csv.reader(file))[:201]
    write_csv(source / "styles.csv", header, rows)
    with tarfile.open(folder / "images.tar.gz") as archive:
        wanted = {f"images/{row[0]}.jpg" for row in rows}
        archive.extractall(source, [m for m in archive if m.name in wanted], filter="data")
    shop = Shop(source, tmp_path / "run", "fashion-product-images")
    account = shop.ingest()
    assert account["rows"]["products"] == account["rows"]["images"] == 200
    assert account["images"] == "photographs"
    assert account["quarantined"] == {}
