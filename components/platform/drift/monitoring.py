"""Drift monitoring: is a week unlike what the champion was trained on, by more than noise?

Every run computes the whole history of weeks anew, from counts, and writes the reports of the
weeks it was asked for: a week may be run again, in any order, with the same answer.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from components.platform.application import Application, DriftInput
from components.platform.drift.calibration import Judgement, judge_weeks
from components.platform.drift.reports import Board
from components.platform.errors import ParamsError
from components.platform.progress import say
from components.platform.settings import settings


def run(
    application: Application, given: DriftInput, weeks: Sequence[date] | None = None
) -> list[Judgement]:
    """Judge weeks, write their reports into the Evidently workspace, and return the judgements.

    Args:
        application: says what is watched.
        given: what the statistics are computed from.
        weeks: any day of each week; None for the last complete one, an empty list for all.

    Raises:
        DataError: a table is absent or no week is complete.
        ParamsError: the application watches nothing, or a week is not complete in the data.
        RegistryError: the registry cannot hand the champion out.

    """
    if application.statistics is None:
        raise ParamsError(
            f"statistics of the application {application.name}",
            "none",
            "name a function of weekly statistics in its application.py",
        )
    weekly = application.statistics(given)
    asked = _asked(weeks, weekly.weeks)
    judged = [
        judgement
        for judgement in judge_weeks(
            weekly.statistics, weekly.weeks, given.params.drift, weekly.champion_day
        )
        if judgement.week in asked
    ]
    board = Board(settings().home / "evidently", application.name, given.params.dataset)
    board.write(weekly.statistics, judged, weekly.champion)
    for judgement in judged:
        if judgement.threshold is not None:
            say(_line(judgement))
    return judged


def cache_of(application: Application) -> Path:
    """Return the folder in which an application keeps what it made of its champions."""
    return settings().home / "drift" / application.name


def alarms(judged: Sequence[Judgement]) -> list[str]:
    """Return a line for every alarm."""
    return [_line(judgement) for judgement in judged if judgement.alarm]


def _line(judged: Judgement) -> str:
    mark = "ALARM" if judged.alarm else "ok"
    return (
        f"{judged.week} {mark:5} {judged.group}: {judged.name} {judged.value:.4f}, threshold "
        f"{judged.threshold:.4f}, {judged.rows:,} rows"
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
