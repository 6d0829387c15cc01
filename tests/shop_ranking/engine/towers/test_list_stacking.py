"""Stacking on rankings of known worth."""

import numpy as np
import pytest

from components.platform.errors import ModelError
from components.shop_ranking.engine.towers.list_stacking import ListStacking, gather

QUERIES, ITEMS = 300, 60


def test_candidates_are_the_union_of_each_signals_best() -> None:
    first = np.array([[3.0, 2.0, 1.0, 0.0]], np.float32)
    other = np.array([[0.0, 1.0, 2.0, 3.0]], np.float32)
    made = gather([first, other], 1, [np.array([5.0, 6.0, 7.0, 8.0], np.float32)])
    assert made.item.tolist() == [0, 3]
    assert made.features.tolist() == [
        [3, 0, 0, 0, pytest.approx(np.log(2)), -3, 5],
        [0, pytest.approx(np.log(2)), -3, 3, 0, 0, 8],
    ]


def test_finds_what_two_weak_signals_say_together() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(QUERIES, ITEMS))
    signals = [
        (truth + rng.normal(size=truth.shape)).astype(np.float32),
        (truth + rng.normal(size=truth.shape)).astype(np.float32),
    ]
    wanted = truth.argmax(1)
    made = gather(signals, 20)
    learnt = made.owner < 200
    stacking = ListStacking(0)
    stacking.fit(type(made)(*(part[learnt] for part in (made.owner, made.item, made.features))),
                 (made.item == wanted[made.owner])[learnt])  # fmt: skip
    scores = np.full(truth.shape, -1e9, np.float32)
    scores[made.owner, made.item] = stacking.score(made)
    held = slice(200, None)

    def first(ranked: np.ndarray) -> float:
        own = np.take_along_axis(ranked, wanted[:, None], 1)
        return float(((ranked > own).sum(1) < 3)[held].mean())

    assert first(scores) > max(map(first, signals)) + 0.05


def test_nothing_wanted_is_refused() -> None:
    made = gather([np.zeros((2, 5), np.float32)], 2)
    with pytest.raises(ModelError, match="wanted item"):
        ListStacking().fit(made, np.zeros(len(made.item)))
