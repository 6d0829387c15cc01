"""Orders, transitions and spectral vectors on histories whose answers can be counted by hand."""

import numpy as np
import pytest

from components.shop_ranking.engine.towers.item_orders import Orders
from components.shop_ranking.engine.towers.spectral import spectral_vectors
from components.shop_ranking.engine.towers.transitions import (
    TransitionConfig,
    markov_weights,
    transition_scores,
    transition_weights,
)

HISTORIES = Orders.of_lists([[0, 1, 2], [0, 1], [3]], items=4)


def test_ages_cuts_and_windows() -> None:
    assert HISTORIES.age.tolist() == [2, 1, 0, 1, 0, 0]
    shorter = HISTORIES.without_last(1)
    assert shorter.item.tolist() == [0, 1, 0]
    assert shorter.length.tolist() == [2, 1, 0]
    assert HISTORIES.take(np.array([1, 0])).item.tolist() == [0, 1, 0, 1, 2]
    assert HISTORIES.last().tolist() == [2, 1, 3]
    item, real = HISTORIES.padded(np.array([0, 2]), longest=2)
    assert item.tolist() == [[1, 2], [3, 0]]
    assert real.tolist() == [[True, True], [True, False]]


def test_a_profile_fades_with_age() -> None:
    assert HISTORIES.profile(0.5).toarray()[0].tolist() == [0.25, 0.5, 1.0, 0.0]


def test_a_profile_may_be_sorted_without_harm_to_the_order() -> None:
    orders = Orders.of_lists([[2, 0, 1]], items=3)
    orders.profile(1.0).sort_indices()
    assert orders.item.tolist() == [2, 0, 1]


def test_transition_weights_by_hand() -> None:
    config = TransitionConfig(window=2, decay=0.5, reverse=0.25, shrink=2.0)
    weights = transition_weights(HISTORIES, config).toarray()
    counts = np.array([2, 2, 1, 1]) + 2.0
    assert weights[0, 1] == pytest.approx(2 / np.sqrt(counts[0] * counts[1]))
    assert weights[0, 2] == pytest.approx(0.5 / np.sqrt(counts[0] * counts[2]))
    assert weights[1, 0] == pytest.approx(0.5 / np.sqrt(counts[0] * counts[1]))
    assert weights[3].sum() == 0
    scores = transition_scores(HISTORIES, np.array([1]), transition_weights(HISTORIES, config), 0.5)
    assert scores[0, 2] == pytest.approx(weights[1, 2] + 0.5 * weights[0, 2])


def test_a_markov_chain_is_what_follows() -> None:
    weights = markov_weights(Orders.of_lists([[0, 1], [0, 1], [0, 2]], items=3)).toarray()
    assert weights[0] == pytest.approx([0, 2 / 3, 1 / 3])


def test_spectral_vectors_rebuild_a_matrix_of_low_rank() -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(60, 3)) @ rng.normal(size=(3, 60))
    from scipy.sparse import csr_array

    left, right = spectral_vectors(csr_array(weights), 5, seed=0)
    assert left.shape == right.shape == (60, 5)
    assert left @ right.T == pytest.approx(weights, abs=1e-3)
