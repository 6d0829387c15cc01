"""Every table of a cut against a plain recomputation with pandas, row by row."""

import json
from dataclasses import dataclass
from itertools import combinations

import ibis
import numpy as np
import pandas as pd
import pytest

from components.platform.files import read_table
from components.platform.schemas import EVENT_TYPES
from components.shop_ranking.data_preparation.features import exact_sum
from components.shop_ranking.data_preparation.tables import connect
from tests.world import HORIZON_DAYS, TinyWorld

MIN_SESSIONS = 2
DAY = pd.Timedelta(days=1)


@dataclass
class Naive:
    """What was known before one cut, from the raw tables; ids instead of indexes."""

    cut: pd.Timestamp
    lines: pd.DataFrame  # events of interest before the cut on items eligible by then
    visits: pd.DataFrame  # first purchase of each (user, item, session), with age in days
    orders: pd.DataFrame
    eligible: set[str]
    every: pd.DataFrame  # all events


def gap_sessions(events: pd.DataFrame) -> pd.DataFrame:
    """Name the sessions that have no name: 30 minutes of silence end one."""
    events = events.sort_values(["user_id", "timestamp", "event_id"])
    pause = events.groupby("user_id").timestamp.diff()
    number = (pause.isna() | (pause > pd.Timedelta(minutes=30))).groupby(events.user_id).cumsum()
    return events.assign(session_id=events.session_id.fillna("gap/" + number.astype(str)))


@pytest.fixture(scope="module", params=["fit_1", "test"])
def naive(request: pytest.FixtureRequest, tiny_world: TinyWorld) -> Naive:
    folder = tiny_world.path("data_preparation", "tables")
    events = gap_sessions(read_table(folder / "events.parquet").to_pandas())
    orders = read_table(folder / "orders.parquet").to_pandas()
    cuts = json.loads((tiny_world.prepared / "cuts.json").read_text())
    day = next(c["day"] for c in cuts if c["name"] == request.param)
    cut = pd.Timestamp(day, tz="UTC")
    lines = events[~events.event_type.isin(["impression", "search"]) & (events.timestamp < cut)]
    bought = lines[lines.event_type == "purchase"]
    visits = bought.groupby(["user_id", "item_id", "session_id"], as_index=False).timestamp.min()
    visits["age"] = (cut - visits.timestamp) / DAY
    counts = visits.item_id.value_counts()
    eligible = set(counts[counts >= MIN_SESSIONS].index)
    orders = orders[(orders.timestamp < cut) & orders.item_id.isin(eligible)]
    return Naive(
        cut,
        lines[lines.item_id.isin(eligible)],
        visits[visits.item_id.isin(eligible)],
        orders.assign(age=(cut - orders.timestamp) / DAY),
        eligible,
        events,
    )


@pytest.fixture
def name(naive: Naive, tiny_world: TinyWorld) -> str:
    cuts = json.loads((tiny_world.prepared / "cuts.json").read_text())
    return next(c["name"] for c in cuts if c["day"] == str(naive.cut.date()))


def written(tiny_world: TinyWorld, cut: str, table: str) -> pd.DataFrame:
    """A table of the cut with ids in place of indexes."""
    frame = read_table(tiny_world.prepared / "cuts" / cut / f"{table}.parquet").to_pandas()
    for kind in ("user", "item"):
        if f"{kind}_index" in frame and table != "sequences":
            ids = read_table(tiny_world.prepared / f"{kind}s.parquet")[f"{kind}_id"].to_pandas()
            frame[f"{kind}_id"] = ids.loc[frame.pop(f"{kind}_index")].to_numpy()
    return frame


def assert_same(written: pd.DataFrame, expected: pd.DataFrame, keys: list[str]) -> None:
    assert len(expected) > 0
    written = written.set_index(keys).sort_index()
    expected = expected.set_index(keys).sort_index()
    assert written.index.equals(expected.index)
    assert set(written) == set(expected)
    for column in expected:
        np.testing.assert_allclose(
            written[column].to_numpy(float), expected[column].to_numpy(float),
            rtol=2e-6, atol=2e-6, err_msg=column,
        )  # fmt: skip


def money(orders: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    price, off = orders.unit_price.astype(float), (orders.discount > 0).astype(float)
    made = orders[keys].assign(
        spend=price * orders.quantity,
        discounted_share=off,
        mean_price=price,
        price_28=price.where(orders.age <= 28),
        discounted_share_28=off.where(orders.age <= 28),
    )
    means = made.groupby(keys).mean()
    return means.assign(spend=made.groupby(keys).spend.sum())


def test_sums_do_not_depend_on_the_order_of_the_rows() -> None:
    draw = np.random.default_rng(0)
    values = np.concatenate([draw.uniform(0, 1e-3, 500), draw.uniform(1e5, 1e6, 500)])
    mixed = [draw.permutation(values) for _ in range(5)]
    tables = [ibis.memtable(pd.DataFrame({"x": some})) for some in mixed]
    con = connect()
    plain = {con.to_pyarrow(rows.x.sum()).as_py() for rows in tables}
    exact = {con.to_pyarrow(exact_sum(rows.x)).as_py() for rows in tables}
    assert len(plain) > 1  # what the fixed point is there for
    assert len(exact) == 1
    assert exact.pop() == pytest.approx(values.sum(), rel=1e-9)


def test_user_item(naive: Naive, tiny_world: TinyWorld, name: str) -> None:
    keys = ["user_id", "item_id"]
    lines = dict(list(naive.lines.groupby(keys)))
    rows = []
    for pair, visits in naive.visits.groupby(keys):
        mine = lines[pair]
        rows.append(
            {
                "user_id": pair[0],
                "item_id": pair[1],
                "sessions": visits.session_id.nunique(),
                "interactions": len(mine),
                "quantity": mine.value[mine.event_type == "purchase"].sum(),
                "days_since_first": visits.age.max(),
                "days_since_last": visits.age.min(),
                **{f"decayed_{h}": (2.0 ** (-visits.age / h)).sum() for h in (14, 45, 120)},
            }
        )
    expected = pd.DataFrame(rows).merge(
        money(naive.orders, keys)[["spend", "discounted_share"]], on=keys, how="left"
    )
    assert_same(written(tiny_world, name, "user_item"), expected.fillna(0.0), keys)


def test_item_stats(naive: Naive, tiny_world: TinyWorld, name: str) -> None:
    rows = []
    for item, visits in naive.visits.groupby("item_id"):
        users = visits.groupby("user_id").age
        gaps = (users.max() - users.min()).sum()
        again = (users.size() - 1).sum()
        rows.append(
            {
                "item_id": item,
                "eligible": True,
                "sessions": len(visits),
                "users": users.ngroups,
                **{f"sessions_{d}": (visits.age <= d).sum() for d in (7, 28, 91)},
                "repeat_rate": (users.size() >= 2).mean(),
                "mean_gap_days": gaps / again if again else np.nan,
                "days_since_first": visits.age.max(),
            }
        )
    prices = money(naive.orders, ["item_id"]).drop(columns="spend")
    expected = pd.DataFrame(rows).merge(prices, on="item_id", how="left")
    expected["discounted_share_28"] = expected.discounted_share_28.fillna(0.0)
    stats = written(tiny_world, name, "item_stats")
    assert set(stats.item_id[stats.eligible]) == naive.eligible
    assert_same(stats[stats.eligible], expected, ["item_id"])
    assert (stats[~stats.eligible].sessions == 0).all()


def test_user_stats(naive: Naive, tiny_world: TinyWorld, name: str) -> None:
    rows = []
    for user, visits in naive.visits.groupby("user_id"):
        sessions = visits.session_id.nunique()
        span = visits.age.max() - visits.age.min()
        rows.append(
            {
                "user_id": user,
                "sessions": sessions,
                "items": visits.item_id.nunique(),
                "days_since_first": visits.age.max(),
                "days_since_last": visits.age.min(),
                "mean_basket": len(visits) / sessions,
                "mean_gap_days": span / (sessions - 1) if sessions > 1 else np.nan,
                "repeat_share": 1 - visits.item_id.nunique() / len(visits),
            }
        )
    prices = money(naive.orders, ["user_id"])[["discounted_share", "mean_price"]]
    expected = pd.DataFrame(rows).merge(prices, on="user_id", how="left")
    assert_same(written(tiny_world, name, "user_stats"), expected, ["user_id"])


def test_sequences(naive: Naive, tiny_world: TinyWorld, name: str) -> None:
    items = read_table(tiny_world.prepared / "items.parquet")["item_id"].to_pandas()
    users = read_table(tiny_world.prepared / "users.parquet")["user_id"].to_pandas()
    sequences = written(tiny_world, name, "sequences")
    sequences.index = pd.Index(users.loc[sequences.user_index])
    assert set(sequences.index) == set(naive.lines.user_id)
    for user, mine in naive.lines.groupby("user_id"):
        row = sequences.loc[user]
        order = mine.sort_values("timestamp", kind="stable")
        day = (naive.cut - order.timestamp) / DAY
        np.testing.assert_allclose(row["day"], day, rtol=1e-6)
        assert (row["day"] > 0).all()
        got = sorted(
            zip(row["day"].round(6), items.loc[row["item_index"]], row["event_type"], strict=True)
        )
        codes = [EVENT_TYPES.index(kind) for kind in order.event_type]
        want = sorted(zip(day.astype("float32").round(6), order.item_id, codes, strict=True))
        assert [entry[1:] for entry in got] == [entry[1:] for entry in want]
        assert len(np.unique(row["session"])) == mine.session_id.nunique()


def test_targets(naive: Naive, tiny_world: TinyWorld, name: str) -> None:
    every, end = naive.every, naive.cut + HORIZON_DAYS * DAY
    window = every[(every.timestamp >= naive.cut) & (every.timestamp < end)]
    wanted = window[(window.event_type == "purchase") & window.item_id.isin(naive.eligible)]
    expected = wanted.groupby(["user_id", "item_id"], as_index=False).agg(quantity=("value", "sum"))
    owned = set(zip(naive.visits.user_id, naive.visits.item_id, strict=True))
    expected["is_repeat"] = [
        pair in owned for pair in zip(expected.user_id, expected.item_id, strict=True)
    ]
    assert_same(written(tiny_world, name, "targets"), expected, ["user_id", "item_id"])


def test_item_pairs(naive: Naive, tiny_world: TinyWorld, name: str) -> None:
    baskets = naive.visits.groupby(["user_id", "session_id"]).item_id.agg(lambda x: sorted(set(x)))
    together: dict[tuple[str, str], int] = {}
    for basket in baskets:
        for pair in combinations(basket, 2):
            together[pair] = together.get(pair, 0) + 1
    alone = baskets.explode().value_counts()
    pairs = read_table(tiny_world.prepared / "cuts" / name / "item_pairs.parquet").to_pandas()
    items = read_table(tiny_world.prepared / "items.parquet")["item_id"].to_pandas()
    pairs["a"], pairs["b"] = items.loc[pairs.item_index].array, items.loc[pairs.other_index].array
    kept = {pair: count for pair, count in together.items() if count >= 3}
    partners = pd.Series([item for pair in kept for item in pair]).value_counts()
    assert partners.max() <= 20  # so that every pair is kept
    assert len(pairs) == 2 * len(kept) > 0
    for row in pairs.itertuples():
        pair = (min(row.a, row.b), max(row.a, row.b))
        assert row.sessions == kept[pair]
        lift = kept[pair] * len(baskets) / (alone[row.a] * alone[row.b])
        assert row.lift == pytest.approx(lift, rel=1e-6)
    strength = pairs.lift * np.sqrt(pairs.sessions)
    drop = strength.groupby(pairs.item_index).diff().dropna()
    assert (drop <= 1e-6).all()


def test_query_items(naive: Naive, tiny_world: TinyWorld, name: str) -> None:
    chosen = naive.lines[naive.lines["query"].notna()]
    chosen = chosen[chosen.event_type.isin(["click", "purchase"])]
    expected = chosen.groupby(["query", "item_id"], as_index=False).size()
    expected = expected.rename(columns={"size": "clicks"})
    assert_same(written(tiny_world, name, "query_items"), expected, ["query", "item_id"])
