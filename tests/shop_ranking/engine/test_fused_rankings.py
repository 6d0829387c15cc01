"""The full ranking of a fusion is the stable sort of all items, candidates before all others."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from components.platform.errors import ModelError
from components.shop_ranking.engine.candidate_sets import CandidateSet
from components.shop_ranking.engine.feature_names import FEATURES
from components.shop_ranking.engine.fused_rankings import fused_rankings
from components.shop_ranking.engine.rankings import Candidates, rank

SHOPPERS, ITEMS = 30, 260


@pytest.fixture
def world():
    rng = np.random.default_rng(0)
    items = [
        np.sort(rng.choice(ITEMS, size, replace=False)) for size in rng.integers(0, 150, SHOPPERS)
    ]
    ptr = np.concatenate([[0], np.cumsum([len(mine) for mine in items])])
    rows = int(ptr[-1])
    candidates = CandidateSet(
        users=np.arange(SHOPPERS, dtype=np.int32) * 2, ptr=ptr,
        items=np.concatenate(items).astype(np.int32), bought=np.zeros(rows, bool),
        features=np.zeros((rows, len(FEATURES)), np.float32), signals=np.zeros((rows, 1)),
        sources=np.zeros((rows, 1), bool), user_vectors={}, item_vectors={},
    )  # fmt: skip
    order = rng.permutation(ITEMS)[: ITEMS - 40].astype(np.int32)
    bought = csr_array(rng.random((2 * SHOPPERS, ITEMS)) < 0.1)
    scores = rng.integers(-3, 3, rows).astype(np.float32)
    scores[rng.random(rows) < 0.05] = -np.inf
    return candidates, Candidates(candidates.users[::3], order, bought), scores


def test_it_is_the_ranking_of_everything(world):
    candidates, evaluated, scores = world

    def everything(users):
        dense = np.full((len(users), ITEMS), -1e30, np.float32)
        for row, user in enumerate(users):
            mine = slice(candidates.ptr[user // 2], candidates.ptr[user // 2 + 1])
            dense[row, candidates.items[mine]] = scores[mine]
        return dense

    expected = rank(everything, evaluated, "everything")
    ranked = fused_rankings(scores, candidates, evaluated, seconds=0.0)
    np.testing.assert_array_equal(ranked.users, expected.users)
    np.testing.assert_array_equal(ranked.all, expected.all)
    np.testing.assert_array_equal(ranked.novel, expected.novel)


def test_a_score_that_is_no_number_is_refused(world):
    candidates, evaluated, scores = world
    scores[0] = np.nan
    with pytest.raises(ModelError, match="mend the fusion"):
        fused_rankings(scores, candidates, evaluated, seconds=0.0)
