"""Recall among pictures and names, with the cases that flatter it left no way out."""

import numpy as np
import pytest

from benchmarks.quality.fashion.measures import matched_names, recalls
from components.platform.errors import ModelError


def test_ties_count_at_their_worst() -> None:
    same = np.ones((12, 3), np.float32)
    assert recalls(same, same)[10].mean() == 0.0
    pair = np.eye(12, dtype=np.float32)
    pair[1] = pair[0]
    recall = recalls(pair, pair)
    assert recall[1].tolist() == [0.0, 0.0] + [1.0] * 10
    assert recall[5].mean() == 1.0


def test_a_vector_that_is_no_number_is_refused() -> None:
    vectors = np.eye(12, dtype=np.float32)
    broken = vectors.copy()
    broken[3, 0] = np.nan
    for asked, offered in ((broken, vectors), (vectors, broken)):
        with pytest.raises(ModelError, match="finite vectors"):
            recalls(asked, offered)


def test_the_ceiling_knows_names_and_nothing_else() -> None:
    recall = matched_names(["shirt"] * 6 + ["shoe", "bag"])
    assert recall[1].tolist() == [0.0] * 6 + [1.0, 1.0]
    assert recall[5].tolist() == [0.0] * 6 + [1.0, 1.0]
    assert recall[10].mean() == 1.0
