import numpy as np

from components.platform.metrics.intervals import draw, interval, two_sided_p


def test_the_interval_holds_the_true_mean_about_95_times_in_100() -> None:
    rng = np.random.default_rng(0)
    values = rng.exponential(size=(300, 200))  # 200 repetitions of a sample of 300, true mean 1
    low, high = interval(values, draw(300, 1000, seed=1))
    held = ((low <= 1) & (high >= 1)).mean()
    assert 0.89 <= held <= 0.99


def test_a_constant_has_no_spread_and_draws_are_shares() -> None:
    draws = draw(50, 200, seed=0)
    assert np.allclose(draws.sum(axis=1), 1, atol=1e-5)
    low, high = interval(np.full((50, 1), 0.25), draws)
    assert np.allclose([low, high], 0.25)


def test_p_tells_a_difference_from_noise() -> None:
    rng = np.random.default_rng(0)
    columns = np.stack([rng.normal(0.5, 1, 400), rng.normal(0, 1, 400) * 0.0 + 0.0], axis=1)
    p = two_sided_p(columns, draw(400, 1000, seed=0))
    assert p[0] < 0.01
    assert p[1] == 1.0
