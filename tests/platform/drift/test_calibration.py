"""Alarm or noise, where the right answer is known: simulated weeks with and without drift."""

from datetime import date, timedelta

import numpy as np
import pytest

from components.platform.drift.calibration import Judgement, judge_weeks
from components.platform.drift.statistics import Histogram, Means, Quality, Share, Statistic
from components.platform.params.loop import DriftParams

WEEKS = [date(2024, 1, 1) + timedelta(weeks=number) for number in range(40)]
NO_FLOOR = DriftParams(psi_floor=0, distance_floor=0, share_floor=0)
USUAL = np.array([0.3, 0.2, 0.2, 0.1, 0.1, 0.05, 0.05])
UNUSUAL = np.array([0.2, 0.2, 0.2, 0.1, 0.1, 0.05, 0.15])


def histogram(
    rng: np.random.Generator,
    rows: int | np.ndarray = 5000,
    spread: float = 2000,
    changed: tuple[int, ...] = (),
    name: str = "category",
) -> Histogram:
    """Weeks that differ more than chance has it, as weeks do: their shares are Dirichlet."""
    counts = [
        rng.multinomial(n, rng.dirichlet(spread * (UNUSUAL if week in changed else USUAL)))
        for week, n in enumerate(np.broadcast_to(rows, len(WEEKS)))
    ]
    labels = tuple("abcdefg")
    return Histogram(name, "input", labels, np.array(counts, float), 1e-3)


def means(rng: np.random.Generator, changed: tuple[int, ...] = ()) -> Means:
    vectors = rng.normal(size=(len(WEEKS), 500, 4))
    vectors[list(changed), :, 0] += 0.6
    return Means(
        "text vectors",
        "embedding",
        vectors.sum(axis=1),
        (vectors**2).sum(axis=(1, 2)),
        np.full(len(WEEKS), 500.0),
    )


def alarms(judged: list[Judgement]) -> list[int]:
    return [judgement.number for judgement in judged if judgement.alarm]


def test_without_drift_the_share_of_weeks_with_an_alarm_is_near_the_asked_one():
    alarmed = judged = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        statistics: list[Statistic] = [histogram(rng, name=f"column {k}") for k in range(4)]
        lines = judge_weeks([*statistics, means(rng)], WEEKS, NO_FLOOR)
        judged += len({judgement.week for judgement in lines if judgement.threshold is not None})
        alarmed += len({judgement.week for judgement in lines if judgement.alarm})
    assert judged == 12 * (len(WEEKS) - DriftParams().fewest_weeks)
    assert 0.01 < alarmed / judged < 0.09  # asked: 0.05


@pytest.mark.parametrize("make", [histogram, means])
def test_injected_drift_is_caught_in_its_week_and_only_there(make):
    statistic = make(np.random.default_rng(3), changed=(25, 33))
    assert set(alarms(judge_weeks([statistic], WEEKS, DriftParams()))) >= {25, 33}
    assert len(alarms(judge_weeks([statistic], WEEKS, DriftParams()))) <= 4


def test_a_week_of_few_rows_needs_a_larger_change():
    rows = np.full(len(WEEKS), 20_000)
    rows[30] = 60
    judged = judge_weeks([histogram(np.random.default_rng(0), rows)], WEEKS, NO_FLOOR)
    few, many = judged[29], judged[28]  # the first week has nothing to compare with
    assert (few.rows, many.rows) == (60, 20_000)
    assert few.value > many.threshold  # would be an alarm among 20,000 rows
    assert few.threshold > 20 * many.threshold
    assert not few.alarm


def test_nothing_below_the_floor_is_an_alarm():
    statistic = histogram(np.random.default_rng(1), rows=2_000_000, spread=1e9, changed=(30,))
    judged = judge_weeks([statistic], WEEKS, NO_FLOOR)
    value = next(
        judgement.value for judgement in judged if judgement.alarm and judgement.number == 30
    )
    assert alarms(judge_weeks([statistic], WEEKS, DriftParams(psi_floor=value * 1.01))) == []
    assert alarms(judge_weeks([statistic], WEEKS, DriftParams(psi_floor=value * 0.99))) == [30]


def test_a_week_that_raised_an_alarm_is_no_reference_unless_it_lasts():
    rng = np.random.default_rng(5)
    once = judge_weeks([histogram(rng, changed=(20,))], WEEKS, DriftParams())
    assert 20 not in {number for judgement in once for number in judgement.reference}
    lasting = tuple(range(20, 40))
    judged = judge_weeks([histogram(rng, changed=lasting)], WEEKS, DriftParams())
    assert alarms(judged)[0] == 20
    assert alarms(judged)[-1] < 34  # by then it is the new normal


def test_the_reference_ends_where_the_champions_training_did():
    judged = judge_weeks(
        [histogram(np.random.default_rng(2))], WEEKS, DriftParams(), champion_day=WEEKS[20]
    )
    assert {judgement.reference[-1] for judgement in judged if judgement.number > 20} == {19}
    assert {judgement.reference[-1] for judgement in judged if 12 < judgement.number <= 20} == set(
        range(12, 20)
    )


def test_a_share_of_bad_rows_above_the_floor_and_beyond_noise_is_an_alarm():
    bad = np.full(len(WEEKS), 20.0)
    bad[[25, 26]] = 25, 200
    share = Share("missing values", "data quality", bad, np.full(len(WEEKS), 1000.0))
    assert alarms(judge_weeks([share], WEEKS, DriftParams())) == [26]


def test_lost_ranking_quality_is_an_alarm_and_noise_or_a_gain_is_none():
    rng = np.random.default_rng(0)
    level = np.full(len(WEEKS), 0.4)
    level[[30, 31, 32]] = 0.30, 0.39, 0.60
    ndcg = tuple(np.clip(rng.normal(mean, 0.25, 800), 0, 1) for mean in level)
    judged = judge_weeks([Quality("ndcg@10", "quality", ndcg)], WEEKS, DriftParams())
    assert alarms(judged) == [30]
