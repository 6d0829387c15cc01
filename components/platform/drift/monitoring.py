"""Drift monitoring: is a week unlike what the champion learnt from, by more than noise?

Every run computes the whole history of weeks anew, from counts, and writes the reports of the
weeks it was asked for: a week may be run again, in any order, with the same answer.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from components.platform import tracking
from components.platform.drift.calibration import Judgement, judge_weeks
from components.platform.drift.reports import Board
from components.platform.errors import ParamsError
from components.platform.params import Params
from components.platform.progress import say
from components.platform.settings import settings
from components.shop_ranking.drift.predictions import (
    champion_statistics,
    online_statistics,
    read_champion,
)
from components.shop_ranking.drift.rows import data_quality_statistics, input_statistics, read_rows


def run(
    params: Params,
    *,
    tables: Path,
    feedback: Path | None = None,
    champion: tracking.Version | None = None,
    weeks: Sequence[date] | None = None,
) -> list[Judgement]:
    """Judge weeks, write their reports into the Evidently workspace, and return the judgements.

    Args:
        params: data.dataset names the project, drift says what counts as drift.
        tables: folder data/tables; what the champion learnt from, or later.
        feedback: folder of partitions that take over from the tables; None for none.
        champion: version whose vectors, scores and rankings are watched; None for none.
        weeks: any day of each week; None for the last complete one, an empty list for all.

    Raises:
        DataError: a table is absent or no week is complete.
        ParamsError: a week is not complete in the data.
        RegistryError: the registry cannot hand the champion out.

    """
    drift, home = params.drift, settings().home
    rows = read_rows(tables, feedback, drift.timezone)
    asked = _asked(weeks, rows.weeks)
    statistics = input_statistics(rows, drift) + data_quality_statistics(rows)
    statistics += online_statistics(rows, drift)
    known = read_champion(champion, home / "drift") if champion else None
    if known:
        statistics += champion_statistics(rows, known, drift)
    judged = [
        one
        for one in judge_weeks(statistics, rows.weeks, drift, known.day if known else None)
        if one.week in asked
    ]
    board = Board(home / "evidently", params.dataset)
    board.write(statistics, judged, known.name if known else "none")
    for one in judged:
        if one.threshold is not None:
            say(_line(one))
    return judged


def alarms(judged: Sequence[Judgement]) -> list[str]:
    """Return a line for every alarm."""
    return [_line(one) for one in judged if one.alarm]


def _line(one: Judgement) -> str:
    mark = "ALARM" if one.alarm else "ok"
    return (
        f"{one.week} {mark:5} {one.group}: {one.name} {one.value:.4f}, threshold "
        f"{one.threshold:.4f}, {one.rows:,} rows"
    )


def _asked(weeks: Sequence[date] | None, known: Sequence[date]) -> set[date]:
    if weeks is None:
        return {known[-1]}
    mondays = {day - timedelta(days=day.weekday()) for day in weeks} or set(known)
    if lacking := sorted(mondays - set(known)):
        raise ParamsError(
            f"a complete week from {known[0]} to {known[-1]}",
            f"the week of {lacking[0]}",
            "wait until the data covers it, or name another week",
        )
    return mondays
