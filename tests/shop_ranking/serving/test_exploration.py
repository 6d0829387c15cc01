"""Propensities against what really happens."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.shop_ranking.serving.exploration import explore, propensities


@pytest.mark.parametrize(
    ("length", "slots", "share", "reach"), [(7, 4, 0.3, 3), (5, 5, 0.5, 10), (30, 3, 0.9, 2)]
)
def test_propensities_are_the_frequencies_of_many_draws(length, slots, share, reach):
    draws = 40_000
    shown = Counter(
        (rank, slot)
        for seed in range(draws)
        for slot, rank in enumerate(explore(length, slots, share, reach, str(seed))[0])
    )
    expected = propensities(length, slots, share, reach)
    for (rank, slot), chance in np.ndenumerate(expected):
        noise = 4.5 * np.sqrt(max(chance * (1 - chance), 1e-9) / draws)
        assert abs(shown[rank, slot] / draws - chance) <= noise, (rank, slot)


@given(st.integers(0, 40), st.integers(1, 20), st.floats(0, 1), st.integers(1, 12), st.text())
def test_every_slot_shows_one_item_and_says_how_likely_it_was(length, slots, share, reach, seed):
    order, chances = explore(length, slots, share, reach, seed)
    assert len(order) == len(set(order)) == min(length, slots)
    table = propensities(length, slots, share, reach)
    assert chances == [table[rank, slot] for slot, rank in enumerate(order)]
    assert all(chance > 0 for chance in chances)
    if length:
        assert table[:, : len(order)].sum(0) == pytest.approx(np.ones(len(order)))


def test_without_exploration_the_order_is_certain():
    assert explore(5, 3, 0.0, 10, "any") == ([0, 1, 2], [1.0, 1.0, 1.0])


def test_equal_seeds_draw_equally_and_others_do_not():
    drawn = [tuple(explore(50, 10, 0.5, 10, str(seed))[0]) for seed in range(50)]
    assert drawn[7] == tuple(explore(50, 10, 0.5, 10, "7")[0])
    assert len(set(drawn)) > 40
