import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch

from components.platform.errors import LayoutError
from components.shop_ranking.engine.towers.behaviour import BehaviourTower
from components.shop_ranking.engine.towers.behaviour_config import TowerConfig
from components.shop_ranking.engine.towers.histories import (
    Histories,
    Sessions,
    all_windows,
    grid,
    latest_windows,
    length_buckets,
)
from components.shop_ranking.engine.towers.item_words import item_words
from components.shop_ranking.towers.behaviour import BehaviourParams

CONFIG = TowerConfig.of(
    BehaviourParams(dim=16, width=16, layers=2, heads=2, dropout=0.0, max_sessions=8)
)


def catalogue(ids: list[str]) -> pa.Table:
    return pa.table(
        {
            "item_id": ids,
            "title": [f"title of {name}" for name in ids],
            "category": pa.array(["FOOD > CHEESE"] * len(ids)),
            "brand": pa.nulls(len(ids), pa.string()),
        }
    )


def histories(lengths: list[int], items: int = 6, seed: int = 0) -> Histories:
    """Shoppers with so many sessions of two events each."""
    rng = np.random.default_rng(seed)
    sessions = np.concatenate([np.arange(n) for n in lengths]).repeat(2)
    return Histories(
        start=np.concatenate([[0], np.cumsum(np.array(lengths) * 2)]),
        item=rng.integers(0, items, len(sessions)),
        day=(sessions - 50).astype(np.float32),
        session=sessions,
        kind=np.full(len(sessions), 4),
    )


@pytest.fixture
def tower() -> BehaviourTower:
    torch.manual_seed(0)
    made = BehaviourTower(CONFIG, catalogue([f"i{n}" for n in range(6)]))
    made.observe(histories([5, 5]))
    torch.nn.init.normal_(made.taste[-1].weight, std=0.5)  # as after training
    return made.eval()


def test_windows_learn_from_every_session_once_and_stay_short():
    sessions = Sessions.of(histories([1, 8, 9, 40]))
    windows = all_windows(sessions, 8)
    assert (windows.end - windows.first).max() == 8
    learnt = np.concatenate(
        [np.arange(a, b) for a, b in zip(windows.fresh, windows.end, strict=True)]
    )
    np.testing.assert_array_equal(np.sort(learnt), np.arange(58))
    np.testing.assert_array_equal(latest_windows(sessions, 8).first, [0, 1, 10, 50])


def test_buckets_hold_every_window_once_within_capacity():
    length = np.random.default_rng(1).integers(1, 60, 300)
    for rng in (None, np.random.default_rng(2)):
        batches = length_buckets(length, 256, rng)
        assert sorted(np.concatenate(batches)) == list(range(300))
        assert all(length[rows].max() * len(rows) <= 256 for rows in batches)


def test_a_state_knows_nothing_of_later_sessions(tower):
    short, long = histories([4]), histories([6])
    read = []
    for history in (short, long):
        sessions = Sessions.of(history)
        batch, _ = grid(sessions, latest_windows(sessions, 8))
        with torch.no_grad():
            read.append(tower.read(tower.item_table(), batch))
    same = np.array_equal(short.item, long.item[: len(short.item)])
    assert same
    for part_short, part_long in zip(*read, strict=True):
        torch.testing.assert_close(part_short, part_long[:, :4])


def test_padding_does_not_change_a_shopper(tower):
    both = histories([2, 7])
    alone = Histories(both.start[:2], both.item[:4], both.day[:4], both.session[:4], both.kind[:4])
    together = tower.encode(Sessions.of(both))
    np.testing.assert_allclose(together[:1], tower.encode(Sessions.of(alone)), atol=1e-5)


def test_an_older_past_gives_another_vector(tower):
    past = histories([5])
    older = replace(past, day=past.day - 30)
    old, new = (tower.encode(Sessions.of(each)) for each in (older, past))
    assert np.abs(old - new).max() > 1e-3


def test_another_shape_gives_another_network():
    items = catalogue(["i0", "i1"])
    torch.manual_seed(0)
    past = histories([3])
    past = Histories(past.start, past.item % 2, past.day, past.session, past.kind)
    wide = BehaviourTower(replace(CONFIG, feedforward_widths=3, gap_buckets=5), items)
    assert wide.query_gap.num_embeddings == 5
    wide.observe(past)
    fading = BehaviourTower(replace(wide.config, half_lives_days=(1.0,)), items)
    state = {key: value for key, value in wide.state_dict().items() if key != "mix"}
    fading.load_state_dict(state, strict=False)
    sessions = Sessions.of(past)
    assert np.abs(wide.encode(sessions) - fading.encode(sessions)).max() > 1e-3


def test_saved_and_loaded_it_answers_the_same(tower, tmp_path):
    tower.save(tmp_path, {"seconds": 1.0})
    loaded = BehaviourTower.load(tmp_path)
    assert loaded.item_ids == tower.item_ids
    np.testing.assert_array_equal(loaded.encode_items(), tower.encode_items())
    sessions = Sessions.of(histories([2, 7]))
    np.testing.assert_array_equal(loaded.encode(sessions), tower.encode(sessions))


def test_a_tower_of_an_older_layout_says_to_train_again(tower, tmp_path):
    tower.save(tmp_path, {})
    about = json.loads((tmp_path / "tower.json").read_text())
    del about["config"]["half_lives_days"]
    (tmp_path / "tower.json").write_text(json.dumps(about))
    with pytest.raises(LayoutError, match="train the behaviour tower again"):
        BehaviourTower.load(tmp_path)


def test_on_another_catalogue_known_items_keep_their_vectors_and_new_ones_have_content(tower):
    other = tower.on_catalogue(catalogue(["new", "i3", "i1"]))
    vectors, before = other.encode_items(), tower.encode_items()
    np.testing.assert_allclose(vectors[1:], before[[3, 1]], atol=1e-6)
    assert np.isfinite(vectors[0]).all()
    assert not other.seen_I[0]


def test_an_item_without_words_or_events_is_missing(tower):
    blank = catalogue(["i0", "mystery"])
    nothing = pa.array(["x", None])
    for place, name in ((1, "title"), (2, "category")):
        blank = blank.set_column(place, name, nothing)
    vectors = tower.on_catalogue(blank).encode_items()
    assert np.isfinite(vectors[0]).all()
    assert np.isnan(vectors[1]).all()


def test_words_are_the_same_for_siblings_and_every_process():
    words = item_words(catalogue(["a", "b"]), 1 << 14)
    first, second = (set(words.word[words.first[i] : words.first[i + 1]]) for i in range(2))
    assert len(first) == 5  # title, of, a, FOOD, FOOD > CHEESE
    assert len(first & second) == 4
