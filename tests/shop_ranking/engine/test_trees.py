"""The trees as they are served score as LightGBM does."""

from dataclasses import replace

import numpy as np
import pytest

from components.shop_ranking.engine.trees import not_above, quickened
from tests.shop_ranking.serving.shop import user_ids


def test_served_trees_score_as_the_stacking(champion):
    rng = np.random.default_rng(0)
    fusion, quick = champion.ranker.fusion, champion.ranker.quick
    everything = np.arange(len(champion.catalogue), dtype=np.int32)
    for user in user_ids(champion, 20):
        state = champion.shoppers.of(user, (), champion.as_of).state
        rows = champion.engine.rows(state, [everything])
        gone = rng.random(rows.features.shape) < 0.2  # any feature may be missing
        for given in (rows, replace(rows, features=np.where(gone, np.nan, rows.features))):
            assert given.bought.any()
            assert not given.bought.all()
            expected = fusion.score(given)
            assert expected.std() > 0.01
            assert np.abs(quick.score(given) - expected).max() < 1e-5


@pytest.mark.parametrize("threshold", [0.1, -0.1, 1 / 3, 1.0000000180025095e-35, 0.5, 1e300])
def test_a_threshold_in_single_precision_splits_alike(threshold):
    near = np.float32(min(threshold, 1e38))
    for x in (np.nextafter(near, np.float32(-1e38)), near, np.nextafter(near, np.float32(1e38))):
        assert (x <= not_above(threshold)) == (float(x) <= threshold)


def test_another_fusion_is_served_as_it_is():
    fusion = object()
    assert quickened(fusion) is fusion
