"""The search for a rate goes on while an edge wins."""

import math

import pytest

from benchmarks.quality.tuning.rates import at_edge, best_rate, bracketed


@pytest.mark.parametrize("peak", [1e-5, 3e-4, 2e-2])
def test_the_best_rate_lies_between_two_others(peak: float) -> None:
    reached = bracketed(lambda rate: -abs(math.log(rate / peak)), (1e-4, 4e-4, 1.6e-3))
    assert abs(math.log(best_rate(reached) / peak)) <= math.log(2) + 1e-9
    assert not at_edge(reached)
    assert list(reached) == sorted(reached)


def test_a_search_without_an_end_stops_and_says_so() -> None:
    reached = bracketed(lambda rate: rate, (1.0, 2.0), most=5)
    assert list(reached) == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert at_edge(reached)


def test_of_equal_rates_the_lowest_is_best() -> None:
    reached = bracketed(lambda rate: 0.5 if rate >= 2 else 0.1, (1.0, 2.0, 4.0, 8.0))
    assert best_rate(reached) == 2.0
    assert len(reached) == 4
