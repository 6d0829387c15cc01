import numpy as np
import pytest

from components.platform.metrics.intervals import bootstrap_means, bootstrap_ratio, wilson


def test_the_interval_holds_the_true_mean_about_95_times_in_100() -> None:
    rng = np.random.default_rng(0)
    values = rng.exponential(size=(300, 200))  # 200 repetitions of a sample of 300, true mean 1
    low, high, _ = bootstrap_means(values, samples=1000, seed=1)
    held = ((low <= 1) & (high >= 1)).mean()
    assert 0.89 <= held <= 0.99


def test_a_constant_has_no_spread() -> None:
    low, high, _ = bootstrap_means(np.full((50, 1), 0.25), samples=200, seed=0)
    assert np.allclose([low, high], 0.25)


def test_the_interval_of_a_single_shopper_is_its_value() -> None:
    low, high, p = bootstrap_means(np.array([[0.5, -1.0]]), samples=200, seed=0)
    assert low.tolist() == high.tolist() == [0.5, -1.0]
    assert p.tolist() == [1 / 200, 1 / 200]


def test_columns_are_paired() -> None:
    """A model and the same model plus a constant: the difference has no spread at all."""
    values = np.random.default_rng(0).random((200, 1))
    both = bootstrap_means(np.hstack([values, values + 0.1]), samples=500, seed=3)
    assert both.low[1] - both.low[0] == pytest.approx(0.1, abs=1e-12)
    assert both.high[1] - both.high[0] == pytest.approx(0.1, abs=1e-12)


def test_p_tells_a_difference_from_noise() -> None:
    rng = np.random.default_rng(0)
    columns = np.stack([rng.normal(0.5, 1, 400), rng.normal(0, 1, 400) * 0.0 + 0.0], axis=1)
    p = bootstrap_means(columns, samples=1000, seed=0).p
    assert p[0] < 0.01
    assert p[1] == 1.0


def test_a_ratio_keeps_a_shoppers_visits_together() -> None:
    clicks, shown = np.array([1.0, 0.0, 3.0, 2.0]), np.array([10.0, 10.0, 30.0, 10.0])
    low, high = bootstrap_ratio(clicks, shown, samples=2000, seed=0)
    assert 0 <= low < 0.1 < high <= 0.2
    assert bootstrap_ratio(clicks * 7, shown * 7, samples=2000, seed=0) == pytest.approx(
        (low, high)
    )


def test_wilsons_interval_of_10_in_100_and_of_nothing() -> None:
    low, high = wilson(np.array([10, 0, 0, 5]), np.array([100, 0, 5, 5]))
    # the literature's own example; nothing shown says nothing
    assert (low[0], high[0]) == pytest.approx((0.0552, 0.1744), abs=1e-4)
    assert (low[1], high[1]) == (0.0, 1.0)
    assert low[2] == 0.0
    assert high[3] == 1.0


def test_wilsons_interval_stays_inside_0_and_1() -> None:
    low, high = wilson(np.array([0, 5, 8]), np.array([5, 5, 10]))
    assert (low[0], high[1]) == pytest.approx((0.0, 1.0))
    assert 0 < high[0] < 0.5 < low[1] < 1
    assert (low[2], high[2]) == pytest.approx((0.4902, 0.9433), abs=1e-4)  # Newcombe 1998
