import numpy as np
import pyarrow.parquet as pq
import pytest

from components.platform.errors import ModelError
from components.shop_ranking.engine.candidate_sets import CandidateSet
from components.shop_ranking.engine.engine import Engine
from components.shop_ranking.engine.feature_names import FEATURES
from components.shop_ranking.engine.feature_states import ItemState, ShopperState, without
from components.shop_ranking.engine.history import PAIR_COLUMNS, Events, summarise
from components.shop_ranking.engine.reading import read_cuts, read_states
from tests.shop_ranking.engine.standins import proposing


def candidates(shoppers: ShopperState, items: ItemState, count: int = 10) -> CandidateSet:
    return Engine(items, proposing(count, count)).candidates(shoppers)


def test_summary_of_a_history_worked_out_by_hand():
    events = Events(
        ptr=np.array([0, 4, 4]),
        item=np.array([7, 3, 7, 3], np.int32),
        day=np.array([45.0, 45.0, 10.0, 1.0], np.float32),
        session=np.array([0, 0, 1, 2], np.int32),
        is_target=np.array([True, True, True, False]),
    )
    summary = summarise(events)
    assert summary.ptr.tolist() == [0, 2, 2]
    assert summary.item.tolist() == [7, 3]  # the latest last
    pair = {name: summary.pairs[:, k] for k, name in enumerate(PAIR_COLUMNS)}
    assert pair["sessions"].tolist() == [2, 1]
    assert pair["interactions"].tolist() == [2, 2]
    assert pair["days_since_last"].tolist() == [10, 45]
    assert pair["days_since_first"].tolist() == [45, 45]
    assert pair["visits_since"].tolist() == [1, 0]
    assert pair["visits_span"].tolist() == [3, 3]
    np.testing.assert_allclose(pair["decayed_45"], [2 ** (-10 / 45) + 0.5, 0.5], rtol=1e-6)


@pytest.fixture(scope="module")
def states(tiny_world, standins):
    cut = read_cuts(tiny_world.prepared)[-1]
    return read_states(
        tiny_world.prepared, "test", standins, standins["baselines"], cut["target_events"]
    )


def test_state_agrees_with_the_prepared_table(tiny_world, states):
    shoppers = states[1]
    table = pq.read_table(tiny_world.prepared / "cuts" / "test" / "user_item.parquet")
    row = {user: k for k, user in enumerate(shoppers.users.tolist())}
    mine = {
        (int(b), int(i)): k
        for k, (b, i) in enumerate(zip(shoppers.owner, shoppers.item, strict=True))
    }
    users, items = table["user_index"].to_pylist(), table["item_index"].to_pylist()
    at = [mine[row[user], item] for user, item in zip(users, items, strict=True)]
    for name in ("sessions", "days_since_last", "days_since_first", "decayed_14", "decayed_120"):
        np.testing.assert_allclose(
            shoppers.pair_column(name)[at], table[name].to_numpy(), rtol=1e-3, atol=1e-3
        )


def test_features_do_not_depend_on_the_batch(states):
    items, shoppers = states
    whole = candidates(shoppers, items)
    assert whole.features.shape[1] == len(FEATURES)
    for row in (0, len(shoppers) // 2, len(shoppers) - 1):
        alone = candidates(shoppers.take(np.array([row])), items)
        inside = slice(whole.ptr[row], whole.ptr[row + 1])
        # items of one word have one score: the last digit decides which of them is a candidate
        shared, mine, theirs = np.intersect1d(alone.items, whole.items[inside], return_indices=True)
        assert len(shared) > 0.8 * len(alone.items)
        np.testing.assert_allclose(
            alone.features[mine],
            whole.features[inside][theirs],
            rtol=1e-3,
            atol=1e-3,
            equal_nan=True,
        )


def test_candidates_are_eligible_and_labelled_bought_as_they_were(states):
    items, shoppers = states
    proposed = candidates(shoppers, items)
    assert items.eligible[proposed.items].all()
    owned = {
        (int(b), int(i))
        for b, i, n in zip(
            shoppers.owner, shoppers.item, shoppers.pair_column("sessions"), strict=True
        )
        if n > 0
    }
    marked = {
        (int(b), int(i))
        for b, i, yes in zip(proposed.owner, proposed.items, proposed.bought, strict=True)
        if yes
    }
    assert marked <= owned
    assert (
        not {
            (int(b), int(i))
            for b, i in zip(
                proposed.owner[~proposed.bought], proposed.items[~proposed.bought], strict=True
            )
        }
        & owned
    )


def test_a_missing_picture_is_missing_not_zero(states):
    items, shoppers = states
    proposed = candidates(shoppers, items)
    column = proposed.features[:, list(FEATURES).index("image")]
    without_picture = np.isnan(items.vectors["image"][proposed.items]).any(1)
    assert without_picture.any()
    assert np.isnan(column[without_picture]).all()
    assert not np.isnan(column[~without_picture]).any()


def test_states_survive_saving(states, tmp_path):
    items, shoppers = states
    items.save(tmp_path / "items")
    shoppers.save(tmp_path / "shoppers")
    before = candidates(shoppers, items, 5)
    after = candidates(
        ShopperState.load(tmp_path / "shoppers"), ItemState.load(tmp_path / "items"), 5
    )
    np.testing.assert_array_equal(before.features, after.features)


def test_refuses_an_absent_tower_and_an_unknown_one(tiny_world, standins, states, tmp_path):
    with pytest.raises(ModelError, match="train the tower again"):
        read_states(
            tiny_world.prepared, "test", {**standins, "text": tmp_path}, standins["baselines"], ()
        )
    with pytest.raises(ModelError, match="name one of them"):
        without(states[0].vectors, frozenset({"smell"}))
