"""What the sources propose is what the scores of all items say."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from components.platform.errors import ModelError
from components.shop_ranking.engine import candidates as sources
from components.shop_ranking.engine.candidates import NEW_ITEM_SOURCES, SOURCES
from components.shop_ranking.engine.engine import Engine
from components.shop_ranking.engine.feature_states import GROUPS, TOWERS
from components.shop_ranking.engine.reading import read_cuts, read_states
from components.shop_ranking.engine.signals import ease_weights
from tests.shop_ranking.engine.standins import proposing


@pytest.fixture(scope="module")
def states(tiny_world, standins):
    cut = read_cuts(tiny_world.prepared)[-1]
    return read_states(
        tiny_world.prepared, "test", standins, standins["baselines"], cut["target_events"]
    )


def scores_of_all(shoppers, items):
    """Return each source's scores of the whole catalogue, (B, I), NaN for none."""
    count, width = len(shoppers), len(items.eligible)
    scores = {tower: shoppers.vectors[tower] @ items.vectors[tower].T for tower in TOWERS}
    for name, weights in ease_weights(shoppers).items():
        owned = csr_array((weights, shoppers.item, shoppers.ptr), shape=(count, width))
        ease = (owned @ items.ease.astype(np.float64)).toarray()
        scores[name] = np.where(ease > 0, ease, np.nan)
    decayed = np.zeros((count, width))
    decayed[shoppers.owner, shoppers.item] = shoppers.pair_column("decayed_120")
    popularity = np.log1p(items.column("sessions_28"))
    scores["popularity"] = np.broadcast_to(popularity, (count, width))
    category = items.groups[:, GROUPS.index("category")]
    inside = category[:, None] == np.arange(category.max() + 1)
    affinity = (decayed @ inside)[:, category]
    affinity[:, category < 0] = 0
    scores["category_popularity"] = np.where(affinity > 0, affinity * popularity, np.nan)
    scores["bought_habit"] = decayed
    return scores


@pytest.mark.parametrize(("new", "bought"), [(1, 0), (10, 5), (30, 60)])
def test_each_source_proposes_its_largest_scores(states, new, bought):
    """Equal scores may let another item of the same score in."""
    items, shoppers = states
    candidates = Engine(items, proposing(new, bought)).candidates(shoppers)
    owned = np.zeros((len(shoppers), len(items.eligible)), bool)
    owned[shoppers.owner, shoppers.item] = shoppers.pair_column("sessions") > 0
    counted = dict.fromkeys(SOURCES, 0)
    for name, scores in scores_of_all(shoppers, items).items():
        allowed = items.eligible & (~owned if name in NEW_ITEM_SOURCES else owned)
        count = new if name in NEW_ITEM_SOURCES else bought
        for row in range(len(shoppers)):
            inside = slice(candidates.ptr[row], candidates.ptr[row + 1])
            mine = candidates.items[inside][candidates.sources[inside, SOURCES.index(name)]]
            best = np.sort(scores[row, allowed[row] & ~np.isnan(scores[row])])[::-1][:count]
            assert allowed[row, mine].all()
            np.testing.assert_allclose(
                np.sort(scores[row, mine])[::-1], best, rtol=1e-4, atol=1e-5, err_msg=name
            )
            counted[name] += len(mine)
    assert candidates.sources.any(1).all()
    assert all(counted[name] > 0 for name in NEW_ITEM_SOURCES)
    assert (counted["bought_habit"] > 0) == (bought > 0)


def test_candidates_of_a_batch_are_those_of_each(states):
    items, shoppers = states
    engine = Engine(items, proposing(10, 10))
    together = engine.candidates(shoppers)
    assert together.ptr[-1] == len(together)
    for row in (0, len(shoppers) // 2, len(shoppers) - 1):
        alone = Engine(items, proposing(10, 10)).candidates(shoppers.take(np.array([row])))
        same = together.take(np.array([row]))
        for name in ("items", "bought", "features", "signals", "sources"):
            np.testing.assert_array_equal(getattr(alone, name), getattr(same, name))


def test_nobody_has_no_candidates(states):
    items, shoppers = states
    nobody = Engine(items, proposing(10, 10)).candidates(shoppers.take(np.zeros(0, np.int64)))
    assert len(nobody) == 0
    assert nobody.ptr.tolist() == [0]


def test_another_vector_of_a_known_shopper_has_other_nearest_items(states):
    items, shoppers = states
    engine = Engine(items, proposing(3, 0))
    first = shoppers.take(np.array([0]))
    engine.candidates(first)
    turned = {tower: -vectors for tower, vectors in first.vectors.items()}
    moved = type(first)(first.users, first.ptr, first.item, first.pairs, first.numbers, turned)
    fresh = Engine(items, proposing(3, 0)).candidates(moved)
    np.testing.assert_array_equal(engine.candidates(moved).items, fresh.items)


def test_a_shopper_whose_lists_fall_out_of_the_cache_is_proposed_the_same(states, monkeypatch):
    """The lists of the others of a batch push out those of the first, which are known already."""
    items, shoppers = states
    batch = shoppers.take(np.arange(3))
    fresh = Engine(items, proposing(3, 0)).candidates(batch)
    monkeypatch.setattr(sources, "NEAREST", len(TOWERS) + 1)
    engine = Engine(items, proposing(3, 0))
    engine.candidates(shoppers.take(np.array([0])))
    for _ in range(2):
        again = engine.candidates(batch)
        np.testing.assert_array_equal(again.ptr, fresh.ptr)
        np.testing.assert_array_equal(again.items, fresh.items)
        np.testing.assert_array_equal(again.sources, fresh.sources)


def test_more_sources_than_their_marks_hold_are_refused_in_one_line(states, monkeypatch):
    items, _ = states
    Engine(items, proposing(1, 1))
    towers = (f"tower-{number}" for number in range(17 - len(SOURCES)))
    monkeypatch.setattr(sources, "SOURCES", (*SOURCES, *towers))
    with pytest.raises(ModelError, match="at most 16 candidate sources") as refused:
        Engine(items, proposing(1, 1))
    assert "found 17: " in str(refused.value)
    assert "\n" not in str(refused.value)
