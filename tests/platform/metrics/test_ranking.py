"""Metric values against an independent library, and their properties."""

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ir_measures import RR, R, Success, nDCG

from components.platform.metrics.ranking import METRICS, coverage, popularity_bias, shopper_metrics

ITEMS = 40


def ranked_and_wanted(seed: int, shoppers: int = 30, k: int = 10):
    rng = np.random.default_rng(seed)
    ranked = np.argsort(rng.random((shoppers, ITEMS)), axis=1)[:, :k].astype(np.int32)
    wanted = rng.random((shoppers, ITEMS)) < rng.uniform(0.02, 0.5, (shoppers, 1))
    wanted[np.arange(shoppers), rng.integers(0, ITEMS, shoppers)] = True
    return ranked, wanted


@pytest.mark.parametrize("k", [1, 5, 10])
def test_values_equal_ir_measures(k: int) -> None:
    ranked, wanted = ranked_and_wanted(seed=k, k=k)
    qrels = [
        ir_measures.Qrel(str(row), str(item), 1)
        for row, item in zip(*wanted.nonzero(), strict=True)
    ]
    run = [
        ir_measures.ScoredDoc(str(row), str(item), float(k - place))
        for (row, place), item in np.ndenumerate(ranked)
    ]
    named = {nDCG @ k: "ndcg", R @ k: "recall", Success @ k: "hit_rate", RR @ k: "mrr"}
    ours = shopper_metrics(ranked, wanted)
    compared = 0
    for value in ir_measures.iter_calc(list(named), qrels, run):
        expected = ours[named[value.measure]][int(value.query_id)]
        assert value.value == pytest.approx(expected, abs=1e-9), value
        compared += 1
    assert compared == len(named) * len(ranked)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), k=st.integers(1, 20))
def test_bounds_and_the_perfect_ranking(seed: int, k: int) -> None:
    ranked, wanted = ranked_and_wanted(seed, k=k)
    values = shopper_metrics(ranked, wanted)
    assert all(((values[name] >= 0) & (values[name] <= 1)).all() for name in METRICS)
    perfect = np.argsort(~wanted, axis=1, kind="stable")[:, :k].astype(np.int32)
    best = shopper_metrics(perfect, wanted)
    assert np.allclose(best["ndcg"], 1)
    assert np.allclose(best["mrr"], 1)
    assert all((best[name] >= values[name] - 1e-12).all() for name in METRICS)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_item_numbers_do_not_matter(seed: int) -> None:
    ranked, wanted = ranked_and_wanted(seed)
    renamed = np.random.default_rng(seed).permutation(ITEMS)
    moved = np.empty_like(wanted)
    moved[:, renamed] = wanted
    ours, theirs = shopper_metrics(ranked, wanted), shopper_metrics(renamed[ranked], moved)
    assert all(np.array_equal(ours[name], theirs[name]) for name in METRICS)


def test_padding_is_never_a_hit_and_no_target_is_no_value() -> None:
    wanted = np.zeros((2, ITEMS), bool)
    wanted[0, ITEMS - 1] = True  # where -1 would point
    values = shopper_metrics(np.full((2, 3), -1, np.int32), wanted)
    assert [values[name][0] for name in METRICS] == [0, 0, 0, 0]
    assert all(np.isnan(values[name][1]) for name in METRICS)


def test_coverage_and_popularity_bias_by_hand() -> None:
    ranked = np.array([[0, 1], [0, -1]], np.int32)
    assert coverage(ranked, eligible=4) == 0.5
    percentile = np.array([0.9, 0.5, 0.3, 0.1])
    assert popularity_bias(ranked, percentile) == pytest.approx([0.7, 0.9])
