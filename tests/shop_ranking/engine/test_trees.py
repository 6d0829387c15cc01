"""The trees as they are served score as LightGBM does."""

from dataclasses import replace

import numpy as np
import pytest

from components.shop_ranking.engine.fusion.lists import SEGMENTS, rows_of
from components.shop_ranking.engine.trees import not_above
from tests.shop_ranking.serving.shop import user_ids


def test_the_stacking_sums_as_lightgbm_does(champion):
    """To the last bit, whatever is missing: a row is never on the other side of a threshold."""
    rng = np.random.default_rng(0)
    fusion = champion.ranker.fusion
    everything = np.arange(len(champion.catalogue), dtype=np.int32)
    for user in user_ids(champion, 20):
        state = champion.shoppers.of(user, (), champion.as_of).state
        rows = champion.engine.rows(state, [everything])
        gone = rng.random(rows.features.shape) < 0.2  # any feature may be missing
        for candidates in (rows, replace(rows, features=np.where(gone, np.nan, rows.features))):
            assert candidates.bought.any()
            assert not candidates.bought.all()
            expected = by_lightgbm(fusion, candidates)
            assert expected.std() > 0.01
            np.testing.assert_array_equal(fusion.score(candidates), expected)


def by_lightgbm(fusion, candidates):
    expected = np.zeros(len(candidates), np.float32)
    for segment in SEGMENTS:
        rows = rows_of(candidates, segment)
        heads = [name for name in fusion.heads if name.startswith(segment)]
        for name in heads:
            slope, offset = fusion.scales[name]
            raw = fusion.heads[name].predict(
                candidates.features[rows], num_iteration=fusion.rounds, raw_score=True
            )
            expected[rows] += (slope * raw + offset) / len(heads)
    return expected


@pytest.mark.parametrize("threshold", [0.1, -0.1, 1 / 3, 1.0000000180025095e-35, 0.5, 1e300])
def test_a_threshold_in_single_precision_splits_alike(threshold):
    near = np.float32(min(threshold, 1e38))
    for x in (np.nextafter(near, np.float32(-1e38)), near, np.nextafter(near, np.float32(1e38))):
        assert (x <= not_above(threshold)) == (float(x) <= threshold)
