"""Ranking files and the full ranking with its tie-breaks."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.sparse import csr_array

from components.platform.errors import DataError, ModelError
from components.shop_ranking.engine.rankings import LENGTH, Candidates, Rankings, rank, top_k

ITEMS = 12
SCORES = hnp.arrays(
    np.float32,
    (3, ITEMS),
    elements=st.sampled_from([-np.inf, -1e30, -1.5, -0.0, 0.0, 1e-40, 0.5, 2.0, np.inf]),
)


@settings(max_examples=200, deadline=None)
@given(SCORES, st.permutations(range(ITEMS)), st.integers(1, ITEMS), st.integers(1, 20))
def test_top_k_equals_a_stable_sort_of_everything(scores, permutation, eligible, k):
    order = np.array(permutation[:eligible], np.int32)
    ranked_rows = top_k(scores, order, k)
    for row, ranked in zip(scores, ranked_rows, strict=True):
        stable = order[np.argsort(-row[order], kind="stable")]
        expected = [item for item in stable if row[item] > -np.inf][:k]
        assert ranked.tolist() == expected + [-1] * (k - len(expected))


def test_top_k_refuses_nan_of_an_eligible_item_only():
    scores = np.array([[1.0, np.nan]], np.float32)
    assert top_k(scores, np.array([0], np.int32), 2).tolist() == [[0, -1]]
    with pytest.raises(ModelError, match="NaN"):
        top_k(scores, np.array([0, 1], np.int32), 2)


def test_novel_ranking_removes_what_was_bought_and_all_keeps_it():
    bought = csr_array((np.ones(2, bool), ([0, 2], [3, 1])), shape=(3, 4))
    candidates = Candidates(np.array([0, 2], np.int32), np.array([3, 1, 0], np.int32), bought)
    ranking = rank(
        lambda users: np.tile(np.arange(4.0, dtype=np.float32), (len(users), 1)),
        candidates,
        "index",
        5.0,
    )
    assert ranking.all[:, :4].tolist() == [[3, 1, 0, -1], [3, 1, 0, -1]]
    assert ranking.novel[:, :4].tolist() == [[1, 0, -1, -1], [3, 0, -1, -1]]
    assert ranking.seconds > 5.0


def test_ranking_file_comes_back_as_written(tmp_path: Path):
    grid = np.arange(2 * LENGTH, dtype=np.int32).reshape(2, LENGTH)
    Rankings(np.array([4, 7], np.int32), grid, grid + 1, 2.5).save(tmp_path / "m.npz")
    loaded = Rankings.load(tmp_path / "m.npz")
    assert loaded.users.tolist() == [4, 7]
    assert np.array_equal(loaded.all, grid)
    assert np.array_equal(loaded.novel, grid + 1)
    assert loaded.seconds == 2.5


@pytest.mark.parametrize("case", ["absent", "text", "lacks a key", "short rows", "unsorted"])
def test_a_broken_ranking_file_is_a_named_error(tmp_path: Path, case: str):
    path = tmp_path / "m.npz"
    grid = np.zeros((2, LENGTH), np.int32)
    whole = {"users": np.array([1, 2]), "all": grid, "novel": grid, "seconds": np.float32(1)}
    if case == "text":
        path.write_text("no zip")
    elif case == "lacks a key":
        np.savez(path, users=whole["users"])
    elif case == "short rows":
        np.savez(path, **{**whole, "all": grid[:, :5]})
    elif case == "unsorted":
        np.savez(path, **{**whole, "users": np.array([2, 1])})
    with pytest.raises(DataError, match=r"m\.npz"):
        Rankings.load(path)
