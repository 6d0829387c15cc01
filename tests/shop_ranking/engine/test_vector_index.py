"""Nearest items: exact and by cells, one shopper at a time and many in one pass."""

import numpy as np
import pytest

from components.shop_ranking.engine.vector_index import VectorIndex
from components.shop_ranking.params.fusion import IndexParams

ITEMS, DIM = 500, 16


@pytest.fixture(params=["exact", "cells"])
def index(request):
    """Items 0, 2, 4, ... of which item 10 has no vector."""
    params = IndexParams()
    if request.param == "cells":
        params = IndexParams(exact_items=100, probed_cells=1000)  # every cell: it is exact
    vectors = np.random.default_rng(0).standard_normal((ITEMS, DIM), np.float32)
    vectors[10] = np.nan
    made = VectorIndex(vectors, np.arange(0, ITEMS, 2, dtype=np.int32), params)
    assert made.exact == (request.param == "exact")
    return made, vectors


def by_hand(vectors, vector, left, k):
    scores = vectors @ vector
    scores[1::2] = scores[10] = -np.inf
    scores[left] = -np.inf
    return np.argsort(-scores, kind="stable")[:k].tolist()


def test_the_nearest_of_many_are_those_of_each(index):
    made, vectors = index
    asked = np.random.default_rng(1).standard_normal((5, DIM), np.float32)
    without = [np.arange(n * 20, dtype=np.int32) for n in range(5)]
    nearest = made.nearest_of_all(asked, 30, without=without, among=[None] * 5)
    for vector, left, (items, scores) in zip(asked, without, nearest, strict=True):
        assert items.tolist() == by_hand(vectors, vector, left, 30)
        alone = made.nearest(vector, 30, without=left)
        assert items.tolist() == alone[0].tolist()
        assert np.array_equal(scores, alone[1])  # to the last bit


def test_a_vector_of_nan_finds_nothing_and_troubles_no_other(index):
    made, vectors = index
    asked = np.stack([np.full(DIM, np.nan, np.float32), vectors[4]])
    (nothing, _), (some, _) = made.nearest_of_all(
        asked, 30, without=[None, np.zeros(0, np.int32)], among=[None] * 2
    )
    assert len(nothing) == 0
    assert some.tolist() == by_hand(vectors, vectors[4], [], 30)


def test_all_items_are_found_where_more_are_asked_for(index):
    made, vectors = index
    nearest, _ = made.nearest(vectors[4], ITEMS, without=np.array([0, 2], np.int32))
    assert sorted(nearest.tolist()) == [item for item in range(4, ITEMS, 2) if item != 10]


@pytest.mark.parametrize("allowed", [2, ITEMS])
def test_only_what_a_mask_allows_is_found(index, allowed):
    made, vectors = index
    mask = np.arange(ITEMS) < allowed
    items, scores = made.nearest(vectors[4], 30, among=mask)
    assert items.tolist() == by_hand(
        vectors, vectors[4], np.flatnonzero(~mask), min(30, allowed // 2)
    )
    np.testing.assert_allclose(scores, (vectors @ vectors[4])[items], rtol=1e-5)


@pytest.mark.parametrize("dim", [1, 64, 65, 256])
def test_the_same_items_score_the_same_whoever_else_asks(dim):
    """Equal vectors have equal scores, so that their order never depends on the batch."""
    rng = np.random.default_rng(2)
    vectors = np.tile(rng.standard_normal((50, dim), np.float32), (4, 1))
    made = VectorIndex(vectors, np.arange(200, dtype=np.int32), IndexParams())
    asked = rng.standard_normal((9, dim), np.float32)
    for vector, (items, scores) in zip(
        asked,
        made.nearest_of_all(asked, 200, without=[None] * 9, among=[None] * 9),
        strict=True,
    ):
        own = np.empty(200, np.float32)
        own[items] = scores
        assert np.array_equal(own, np.tile(own[:50], 4))
        np.testing.assert_allclose(own, vectors @ vector, rtol=1e-4, atol=1e-4)
        assert np.array_equal(scores, made.nearest(vector, 200)[1])
