"""Row 8's parts on shops whose right answers are known."""

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.quality.shop.cold_content import (
    expected_popularity,
    popularity_lines,
    taste_in_texts,
    untuned_vectors,
)
from benchmarks.quality.shop.cold_shop import Shop
from components.shop_ranking.engine.towers.histories import Histories
from components.shop_ranking.towers.text import TextParams

PLAIN = ("mug", "plate", "bowl", "cup", "jar", "tray")


def catalogue(titles: list[str], categories: list[str] | None = None) -> pa.Table:
    count = len(titles)
    return pa.table(
        {
            "item_id": [str(k) for k in range(count)],
            "title": titles,
            "category": categories or ["all"] * count,
            "brand": pa.nulls(count, pa.string()),
        }
    )


def shop(items: pa.Table, bought: list[list[int]], cold: list[int]) -> Shop:
    item = np.array([basket_item for own in bought for basket_item in own], np.int64)
    nothing = np.zeros(len(item), np.int64)
    start = np.cumsum([0, *map(len, bought)])
    histories = Histories(start, item, nothing.astype(np.float32), nothing, nothing)
    return Shop(items, np.arange(len(bought)), histories, np.array(cold), {"name": "test"})


def test_a_word_that_sells_is_expected_to_sell_on_items_nobody_has_bought() -> None:
    rng = np.random.default_rng(0)
    titles = [f"{PLAIN[k % 6]} {PLAIN[(k // 6) % 6]}" for k in range(400)]
    gold = rng.random(400) < 0.25
    titles = [f"gold {t}" if g else t for t, g in zip(titles, gold, strict=True)]
    cold = np.sort(rng.choice(400, 60, replace=False))
    events = rng.poisson(np.where(gold, 60, 5))
    events[cold] = 0
    expected = expected_popularity(catalogue(titles), np.repeat(np.arange(400), events), cold)
    assert expected[gold[cold]].min() > expected[~gold[cold]].max()
    assert expected[gold[cold]].mean() == pytest.approx(np.log(60), abs=0.3)
    assert expected[~gold[cold]].mean() == pytest.approx(np.log(5), abs=0.3)


def test_no_held_out_item_shapes_the_text_vectors_of_the_others() -> None:
    rng = np.random.default_rng(0)
    given = rng.normal(size=(50, 8)).astype(np.float32)
    known = np.arange(50) < 40
    vectors = []
    for factor in (1.0, -30.0):
        own = np.where(known[:, None], given, factor * given)
        items = catalogue(["a"] * 50).append_column("text_embedding", pa.array(own.tolist()))
        vectors.append(untuned_vectors(items, known, TextParams(dim=8)))
    assert np.allclose(vectors[0][known], vectors[1][known])
    assert not np.allclose(vectors[0][~known], vectors[1][~known])


def test_profiles_are_of_the_histories_that_are_left() -> None:
    vectors = np.array([[1, 0], [0, 1], [0.8, 0.6], [0.6, 0.8]], np.float32)
    scores = taste_in_texts(
        shop(catalogue(list("abcd")), [[0], [1]], [2, 3]), vectors, np.array([0, 1]), 30.0
    )
    assert scores == pytest.approx(np.array([[0.8, 0.6], [0.6, 0.8]]))


def test_popularity_of_categories_by_hand() -> None:
    items = catalogue(list("abcdef"), ["x", "x", "x", "y", "x", "y"])
    cold_shop = shop(items, [[0, 0, 1, 2], [3, 3, 3]], [4, 5])
    lines = popularity_lines(cold_shop, np.array([0, 1]))
    assert lines["popularity in category"].tolist() == [[4, 3], [4, 3]]
    assert lines["mean popularity in category"] == pytest.approx(np.array([[4 / 3, 3]] * 2))
    assert lines["popularity in own category"].argmax(1).tolist() == [0, 1]
