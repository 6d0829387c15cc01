"""A tower without vectors: for an item nothing is lost, for all of them it is one clear line."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from components.platform.errors import ModelError
from components.shop_ranking.engine.engine import Engine
from components.shop_ranking.engine.feature_names import FEATURES
from components.shop_ranking.engine.reading import read_cuts, read_states
from components.shop_ranking.towers import TOWERS
from tests.shop_ranking.engine.standins import proposing


@pytest.fixture
def read(tiny_world, standins):
    """Return a function that reads the states, one tower's folder replaced."""
    cut = read_cuts(tiny_world.prepared)[-1]

    def states(**folders):
        towers = {name: folders.get(name, standins[name]) for name in TOWERS}
        events = cut["target_events"]
        return read_states(tiny_world.prepared, "test", towers, standins["baselines"], events)

    return states


def test_an_item_that_no_tower_knows_is_still_proposed_with_all_its_other_features(read):
    items, shoppers = read()
    best = int(items.order[0])
    bare = {name: np.array(vectors) for name, vectors in items.vectors.items()}
    for vectors in bare.values():
        vectors[best] = np.nan
    rows = Engine(replace(items, vectors=bare), proposing(10, 10)).candidates(shoppers)
    whole = Engine(items, proposing(10, 10)).candidates(shoppers)
    places = list(FEATURES)
    towers = [places.index(name) for name in TOWERS]
    own = rows.features[rows.items == best]
    assert len(own) > 10  # popularity and the shoppers' own purchases propose it
    assert np.isnan(own[:, towers]).all()
    others = rows.features[rows.items != best]
    assert not np.isnan(others[:, places.index("behaviour")]).all()
    habits = places.index("item_sessions")
    np.testing.assert_array_equal(own[:, habits], whole.features[whole.items == best][0, habits])


@pytest.mark.parametrize("tower", TOWERS)
def test_a_tower_that_lacks_an_items_row_is_refused_in_one_line(read, standins, tmp_path, tower):
    folder = tmp_path / tower
    shutil.copytree(standins[tower], folder)
    path = folder / "test" / "item_vectors.npy"
    vectors = np.load(path)
    np.save(path, vectors[:-1])
    with pytest.raises(ModelError, match="train the tower again on this data") as refused:
        read(**{tower: folder})
    said = str(refused.value)
    assert f"{len(vectors)} rows" in said
    assert str(path) in said
    assert "\n" not in said


def test_shoppers_and_items_of_one_tower_have_one_width(read, standins, tmp_path):
    folder = tmp_path / "image"
    shutil.copytree(standins["image"], folder)
    path = folder / "test" / "user_vectors.npy"
    np.save(path, np.load(path)[:, :-1])
    with pytest.raises(ModelError, match="train the tower again on this data") as refused:
        read(image=folder)
    assert "user_vectors.npy" in str(refused.value)
    assert "\n" not in str(refused.value)
