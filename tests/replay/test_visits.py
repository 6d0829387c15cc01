"""What a replay repeats, and who clicks."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from components.platform import schemas
from components.platform.errors import DataError
from components.platform.files import read_table, write_table
from components.platform.pseudonyms import pseudonym
from services.replay.outcome import Outcome, by_week, ndcg
from services.replay.shoppers import RealBaskets, SimulatedShoppers
from services.replay.visits import Line, Visit, is_simulated, read_ratings, read_visits
from tests.world import TinyWorld

START = datetime(2017, 11, 1, tzinfo=UTC)


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """Three baskets of two shoppers, with a return, a split line and a basket of before."""
    rows = [
        ("o2", "ann", START + timedelta(days=1), "milk", 2.0, 1.0),
        ("o2", "ann", START + timedelta(days=1), "milk", 1.0, 4.0),
        ("o2", "ann", START + timedelta(days=1), "bread", 1.0, 3.0),
        ("o1", "bob", START, "bread", 1.0, None),
        ("o0", "bob", START - timedelta(seconds=1), "milk", 1.0, 1.0),
        ("o3", "bob", START + timedelta(days=2), "milk", -1.0, 1.0),
    ]
    names = ["order_id", "user_id", "timestamp", "item_id", "quantity", "unit_price"]
    lines = [dict(zip(names, row, strict=True)) | {"discount": 0.0} for row in rows]
    write_table(pa.Table.from_pylist(lines, schema=schemas.ORDERS), tmp_path / "orders.parquet")
    write_table(schemas.EVENTS.empty_table(), tmp_path / "events.parquet")
    return tmp_path


def test_baskets_come_in_time_order_with_one_line_an_item(tables: Path):
    first, second = read_visits(tables, START)
    assert (first.key, first.user_id, first.moment) == ("o1", "bob", START)
    assert first.basket == (Line("bread", 1.0, None),)
    assert second.basket == (Line("bread", 1.0, 3.0), Line("milk", 3.0, 2.0))
    assert second.habits == second.basket


def test_days_before_the_end_only(tables: Path):
    assert [visit.key for visit in read_visits(tables, START, date(2017, 11, 2))] == ["o1"]
    with pytest.raises(DataError, match="choose earlier days"):
        read_visits(tables, START + timedelta(days=30))


def test_a_share_of_the_shoppers_is_the_same_for_a_seed(tiny_world: TinyWorld):
    tables = tiny_world.path("data_ingestion", "tables")
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    half = read_visits(tables, begin, share=0.5, seed=3, simulated=True)
    again = read_visits(tables, begin, share=0.5, seed=3, simulated=True)
    other = read_visits(tables, begin, share=0.5, seed=4, simulated=True)
    everybody = read_visits(tables, begin, simulated=True)
    shoppers = {visit.user_id for visit in half}
    assert half == again
    assert shoppers != {visit.user_id for visit in other}
    assert 0.3 < len(shoppers) / len({visit.user_id for visit in everybody}) < 0.7
    assert half == [visit for visit in everybody if visit.user_id in shoppers]


def test_simulated_visits_carry_their_words_and_habits(tiny_world: TinyWorld):
    tables = tiny_world.path("data_ingestion", "tables")
    assert is_simulated(tables)
    visits = read_visits(tables, datetime(2024, 1, 1, tzinfo=UTC), simulated=True)
    events = read_table(tables / "events.parquet").to_pandas()
    bought = events[events["event_type"] == "purchase"]
    assert sum(len(visit.basket) for visit in visits) == len(bought)
    assert sum(len(visit.habits) for visit in visits) == bought["surface"].isna().sum() > 0
    searched = events[events["event_type"] == "search"]["session_id"].nunique()
    assert sum(visit.query != "" for visit in visits) == searched
    assert all(line.price for visit in visits for line in visit.basket)


def test_ratings_are_those_of_what_simulated_shoppers_buy_anyway(tiny_world: TinyWorld):
    tables = tiny_world.path("data_ingestion", "tables")
    begin, end = datetime(2024, 2, 1, tzinfo=UTC), date(2024, 3, 1)
    ratings = read_ratings(tables, begin, end, simulated=True)
    events = read_table(tables / "events.parquet").to_pandas()
    rated = events[events["event_type"] == "rating"].set_index("event_id")
    inside = rated[(rated["timestamp"] >= begin) & (rated["timestamp"] < "2024-03-01T00:00Z")]
    assert {rating.key for rating in read_ratings(tables, begin, end)} == set(inside.index)
    assert 0 < len(ratings) < len(inside)
    assert ratings == sorted(ratings, key=lambda rating: (rating.moment, rating.key))
    habits = events[(events["event_type"] == "purchase") & events["surface"].isna()]
    pairs = set(zip(habits["user_id"], habits["item_id"], strict=True))
    for rating in ratings:
        assert (rating.user_id, rating.item_id) in pairs
        assert rating.stars == rated.loc[rating.key, "value"]
    first = datetime(2024, 1, 1, tzinfo=UTC)
    shoppers = {visit.user_id for visit in read_visits(tables, first, end, 0.5, 3, simulated=True)}
    half = read_ratings(tables, begin, end, 0.5, 3, simulated=True)
    assert half == [rating for rating in ratings if rating.user_id in shoppers]
    assert 0 < len(half) < len(ratings)


def visit(user: str = "ann", *items: str, day: int = 0) -> Visit:
    basket = tuple(Line(item, 1.0, None) for item in items)
    return Visit(f"v{day}", user, START + timedelta(days=day), "", basket, basket)


def test_a_real_shopper_clicks_what_is_in_the_basket():
    did = RealBaskets().react(visit("ann", "milk", "bread"), ["tea", "bread", "milk"], "home")
    assert (did.clicked, did.bought) == ((1, 2), ())


def test_simulated_shoppers_click_what_they_like_and_twice_the_same(tiny_world: TinyWorld):
    tables = tiny_world.path("data_ingestion", "tables")
    raw = tiny_world.path("data_acquisition", "raw")
    shoppers, twin = (SimulatedShoppers.of(raw, seed=1) for _ in range(2))
    truth = tiny_world.truth
    liking = truth.text + truth.picture
    row = {pseudonym(str(name)): row for row, name in enumerate(truth.user_ids)}
    clicks = {"liked": 0, "disliked": 0}
    for visit in read_visits(tables, datetime(2024, 2, 1, tzinfo=UTC), simulated=True):
        order = np.argsort(-liking[row[visit.user_id]])
        for name, rows in (("liked", order[:10]), ("disliked", order[-10:])):
            shown = [str(item) for item in truth.item_ids[rows]]
            did = shoppers.react(visit, shown, name)
            assert did == twin.react(visit, shown, name)
            assert set(did.bought) <= set(did.clicked)
            clicks[name] += len(did.clicked)
    assert clicks["liked"] > 20 * clicks["disliked"] > 0 or clicks["disliked"] == 0
    assert clicks["liked"] > 100


def test_a_champion_of_another_shop_is_one_line(tiny_world: TinyWorld):
    shoppers = SimulatedShoppers.of(tiny_world.path("data_acquisition", "raw"), seed=1)
    tables = tiny_world.path("data_ingestion", "tables")
    visit = read_visits(tables, datetime(2024, 2, 1, tzinfo=UTC), simulated=True)[0]
    with pytest.raises(DataError, match="found groceries; serve a champion of the same dataset"):
        shoppers.react(visit, ["groceries"], "home")


def test_ndcg_of_a_row_against_a_basket():
    hit = np.array([False, True, False])
    assert ndcg(hit, wanted=1) == pytest.approx(1 / np.log2(3))
    assert ndcg(np.array([True] * 10), wanted=30) == pytest.approx(1.0)
    assert ndcg(np.zeros(10, bool), wanted=0) == 0.0


def test_weeks_have_intervals_around_their_means():
    outcome = Outcome()
    for day in range(14):
        for user in range(20):
            items = ["milk"] if user % 2 else ["bread"]
            seen = visit(f"user {user}", *items, day=day)
            outcome.add(seen, ["milk"], clicked=int(items == ["milk"]), version="m/1")
    weeks = by_week(outcome.table())
    assert list(weeks) == ["2017-10-30", "2017-11-06", "2017-11-13", "all"]
    whole = weeks["all"]["hit_share"]
    assert whole.value == pytest.approx(0.5)
    assert whole.low < 0.5 < whole.high
    assert weeks["all"]["ctr"].value == pytest.approx(0.5)


def test_tables_without_an_account_are_refused(tables: Path):
    with pytest.raises(DataError, match=r"ingestion\.json"):
        is_simulated(tables)
    (tables / "ingestion.json").write_text(json.dumps({"simulated": False}))
    assert not is_simulated(tables)
