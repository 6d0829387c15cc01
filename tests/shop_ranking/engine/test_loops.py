"""The compiled loops do what a line of numpy says."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array, random_array

from components.shop_ranking.engine.batches import stacked
from components.shop_ranking.engine.ease_scores import EaseScores, scratch_of
from components.shop_ranking.engine.signals import EASE, ease_weights
from components.shop_ranking.engine.top_k import top_k
from components.shop_ranking.search.fields import Postings
from components.shop_ranking.serving.ordering import diversified
from tests.shop_ranking.serving.shop import user_ids

SCORES = st.lists(
    st.just(np.nan) | st.sampled_from([0.0, -0.0, 1.0]) | st.floats(-8, 8, width=32), max_size=60
)


@settings(max_examples=300, deadline=None)
@given(SCORES, st.integers(0, 70), st.integers(0, 2**32 - 1), st.sampled_from([np.float32, float]))
def test_the_top_k_are_those_of_a_stable_sort(values, k, seed, kind):
    scores = np.array(values, kind)
    usable = np.random.default_rng(seed).random(len(scores)) < 0.7
    rows = top_k(scores, usable, k)
    allowed = np.flatnonzero(usable & ~np.isnan(scores))
    expected = allowed[np.argsort(-scores[allowed], kind="stable")][:k]
    assert sorted(rows.tolist()) == sorted(expected.tolist())


def by_hand(scores, vectors, k, diversity):
    low, high = scores.min(), scores.max()
    relevance = (1 - diversity) * (scores - low) / (high - low)
    chosen = []
    while len(chosen) < k:
        like = [max([diversity * float(v @ vectors[c]) for c in chosen] + [0.0]) for v in vectors]
        value = [-np.inf if i in chosen else r - m
                 for i, (r, m) in enumerate(zip(relevance, like, strict=True))]  # fmt: skip
        chosen.append(int(np.argmax(value)))
    return chosen


@pytest.mark.parametrize("diversity", [0.1, 0.5, 1.0])
def test_a_list_is_made_less_alike(diversity):
    rng = np.random.default_rng(3)
    vectors = rng.standard_normal((30, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = np.sort(rng.random(30).astype(np.float32))[::-1].copy()
    chosen = diversified(scores, vectors, 12, diversity).tolist()
    assert chosen == by_hand(scores, vectors, 12, diversity)
    assert chosen != list(range(12))


def test_ease_is_the_sparse_product(champion):
    """For shoppers together, on all items, with weights for some of them alone."""
    items = champion.engine.items
    rng = np.random.default_rng(5)
    thin = csr_array(items.ease.multiply(rng.random(items.ease.shape) < 0.01))
    thin.eliminate_zeros()
    ease, width = EaseScores(replace(items, ease=thin)), len(items.eligible)
    users = user_ids(champion, 10)
    state = stacked([champion.shoppers.of(user, (), champion.as_of).state for user in users])
    ptr = np.arange(len(users) + 1) * width
    everything = np.tile(np.arange(width, dtype=np.int32), len(users))
    pairs = ease.at(state, ptr, everything, scratch_of(width))
    for k, name in enumerate(EASE):
        own = csr_array((ease_weights(state)[name], state.item, state.ptr), (len(users), width))
        expected = (own @ thin.astype(np.float64)).toarray()
        assert (expected == 0).any()
        np.testing.assert_allclose(pairs.at[:, k].reshape(expected.shape), expected, rtol=1e-6)
        if name == "ease":
            eligible = expected[:, items.eligible]
            z = (expected - eligible.mean(1)[:, None]) / eligible.std(1)[:, None]
            np.testing.assert_allclose(pairs.z.reshape(z.shape), z, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("merged", [0, 12])
def test_words_are_added_up_document_by_document(monkeypatch, merged):
    """Postings of 1 to 5 words, some in no document, merged and sorted together."""
    monkeypatch.setattr("components.shop_ranking.search.fields.MERGED", merged)
    rng = np.random.default_rng(4)
    matrix = csr_array(random_array((12, 40), density=0.3, rng=rng, dtype=np.float32))
    matrix = csr_array(matrix.multiply(np.arange(12)[:, None] != 3))
    matrix.eliminate_zeros()
    matrix.sort_indices()
    postings = Postings(
        {}, matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data, 40
    )
    for count in range(1, 6):
        rows = rng.choice(12, count, replace=False).tolist()
        document, scores = postings.of_words(rows)
        expected = matrix[rows].sum(axis=0)
        assert document.tolist() == np.flatnonzero(expected).tolist()
        np.testing.assert_allclose(scores, expected[document], rtol=1e-6)
    assert len(postings.of_words([3])[0]) == 0


def test_no_words_are_in_no_document():
    assert [len(part) for part in Postings.of([["a"], ["b"]]).of_words([])] == [0, 0]
