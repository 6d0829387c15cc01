"""Alarm or noise: every threshold comes from the reference weeks themselves.

Each reference week is compared with the other reference weeks (leave one out). Their statistics,
as multiples of what chance would make of that many rows, are like chi-squared variables, whose
fourth root is about normal for few values and for many (Hawkins and Wixley 1986). The threshold
is the upper end of the prediction interval for one more such week (Student's t; Hahn and Meeker
1991). So a noisy statistic needs a larger change, and a week of few rows too. The level is shared
by the statistics of a week (Bonferroni), so that `drift.false_alarms` is the rate of weeks with any
false alarm. Nothing below a floor is an alarm: what is surely unlike may still be too small to
matter.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from scipy import stats

from components.platform.drift.statistics import (
    Group,
    Histogram,
    Means,
    Quality,
    Share,
    Statistic,
    Weeks,
)
from components.platform.params import DriftParams

ROOT = 1 / 4
FLOORS = {Histogram: "psi_floor", Means: "distance_floor", Share: "share_floor"}


@dataclass(frozen=True)
class Judgement:
    """One statistic of one week; `threshold` is None while there is too little to compare with."""

    week: date
    number: int  # of the week
    name: str
    group: Group
    value: float
    threshold: float | None
    alarm: bool
    rows: int
    reference: tuple[int, ...] = ()  # numbers of the reference weeks


def judge_weeks(
    statistics: Sequence[Statistic],
    weeks: Sequence[date],
    params: DriftParams,
    champion_day: date | None = None,
) -> list[Judgement]:
    """Judge every week that has data, in time order.

    The reference of a week are the latest `drift.reference_weeks` before it; once there is a
    champion, the latest before the day until which it was trained, for drift is what the champion
    does not know. Weeks that raised an alarm are no reference, unless they are the most of them:
    a change that lasts is the new normal.
    """
    judged: list[Judgement] = []
    alarmed: dict[str, set[int]] = {statistic.name: set() for statistic in statistics}
    known = len(weeks) if champion_day is None else sum(day < champion_day for day in weeks)
    for week, day in enumerate(weeks):
        present = [statistic for statistic in statistics if statistic.rows[week] > 0]
        level = params.false_alarms / max(len(present), 1)
        for statistic in present:
            reference = _reference(statistic, week, known, alarmed[statistic.name], params)
            if not len(reference) and isinstance(statistic, Histogram | Means):
                continue  # its first week: unlike what?
            value, threshold = _judge(statistic, week, reference, level, params)
            sign = -1 if isinstance(statistic, Quality) else 1
            alarm = threshold is not None and sign * value > sign * threshold
            if alarm:
                alarmed[statistic.name].add(week)
            judged.append(
                Judgement(
                    week=day,
                    number=week,
                    name=statistic.name,
                    group=statistic.group,
                    value=value,
                    threshold=threshold,
                    alarm=alarm,
                    rows=int(statistic.rows[week]),
                    reference=tuple(int(number) for number in reference),
                )
            )
    return judged


def _reference(
    statistic: Statistic, week: int, known: int, alarmed: set[int], params: DriftParams
) -> Weeks:
    present = np.flatnonzero(statistic.rows[:week] > 0)
    known_weeks = present[present < known]
    latest = (known_weeks if len(known_weeks) >= params.fewest_weeks else present)[
        -params.reference_weeks :
    ]
    calm = np.array([number for number in latest if number not in alarmed], np.int64)
    return calm if 2 * len(calm) >= len(latest) else latest


def _judge(
    statistic: Statistic, week: int, reference: Weeks, level: float, params: DriftParams
) -> tuple[float, float | None]:
    """Return the value, and the threshold where there is enough to compare with."""
    if isinstance(statistic, Quality):
        return _quality(statistic, week, reference, level, params)
    floor = float(getattr(params, FLOORS[type(statistic)]))
    if isinstance(statistic, Share):
        value = statistic.value(week)
        if len(reference) < params.fewest_weeks:
            return value, None
        shares = np.array([statistic.value(number) for number in reference])
        chance = np.sqrt(max(shares.mean() * (1 - shares.mean()), 0.0) / statistic.rows[week])
        spread = max(float(shares.std(ddof=1)), float(chance))
        return value, max(floor, float(shares.mean()) + _t(level, len(shares)) * spread)
    value, chance = statistic.compare(reference, week)
    if len(reference) < params.fewest_weeks:
        return value, None
    left_out = [
        statistic.compare(reference[reference != number], int(number)) for number in reference
    ]
    roots = np.array([(distance / by_chance) ** ROOT for distance, by_chance in left_out])
    bound = chance * float(roots.mean() + _t(level, len(roots)) * roots.std(ddof=1)) ** (1 / ROOT)
    return value, max(floor, bound)


def _quality(
    statistic: Quality, week: int, reference: Weeks, level: float, params: DriftParams
) -> tuple[float, float | None]:
    """Welch's test against the rankings of all reference weeks, beyond the margin.

    The noise is that between users, so few weeks will do.
    """
    now = statistic.ndcg_W[week]
    if len(reference) < params.fewest_labelled_weeks:
        return float(now.mean()), None
    before = np.concatenate([statistic.ndcg_W[number] for number in reference])
    error = float(np.sqrt(now.var() / len(now) + before.var() / len(before)))
    mean = float(before.mean())
    bounds = (mean * (1 - params.quality_margin), mean - stats.norm.isf(level) * error)
    return float(now.mean()), float(min(bounds))


def _t(level: float, count: int) -> float:
    """Half width of the one-sided prediction interval for one more of `count`, in deviations."""
    return float(stats.t.isf(level, count - 1) * np.sqrt(1 + 1 / count))
