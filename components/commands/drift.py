"""Watch weeks: `python -m components drift --application NAME --week 2017-11-20`."""

import argparse
from datetime import date
from pathlib import Path

from components.applications import APPLICATIONS, application, read_params
from components.champions import champion_of, version_of
from components.platform.application import Application, DriftInput
from components.platform.drift.alert import raise_alarm
from components.platform.drift.monitoring import alarms, cache_of, run
from components.platform.feedback.served_events import LABELLED, snapshot
from components.platform.files import scratch_folder
from components.platform.params import PARAMS


def main(arguments: list[str]) -> int:
    """Judge the weeks that were asked for; return 0 without an alarm, 2 with one.

    Raises:
        ShopError: the weeks cannot be judged.

    """
    asked = _parser().parse_args(arguments)
    owner = application(asked.application)
    with scratch_folder() as scratch:
        feedback = scratch if asked.feedback else None
        if feedback:
            snapshot(asked.feedback, feedback)
            snapshot(asked.feedback, feedback, LABELLED)
        given = _given(owner, asked, feedback)
        lines = alarms(run(owner, given, _weeks(asked)))
    raise_alarm(lines)
    return 2 if lines else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m components drift")
    names = [owner.name for owner in APPLICATIONS]
    parser.add_argument("--application", required=True, choices=names)
    parser.add_argument("--week", type=date.fromisoformat, help="any day of the week")
    parser.add_argument("--all", action="store_true", help="every complete week")
    parser.add_argument(
        "--tables", type=Path, help="folder of tables; without it, those of the champion's run"
    )
    parser.add_argument("--feedback", help="folder or s3:prefix of fed back partitions")
    parser.add_argument("--no-champion", action="store_true", help="watch the data alone")
    return parser


def _weeks(asked: argparse.Namespace) -> list[date] | None:
    if asked.all:
        return []
    return [asked.week] if asked.week else None


def _given(owner: Application, asked: argparse.Namespace, feedback: Path | None) -> DriftInput:
    """Return the input: tables and params of the champion's run, unless a folder was named."""
    version, tables, params = None, asked.tables, PARAMS
    if tables is not None:
        version = None if asked.no_champion else version_of(owner)
    elif not asked.no_champion and (champion := champion_of(owner)) is not None:
        version, tables, params = champion.version, champion.run.tables, champion.run.params
    if tables is None:
        _parser().error("there is no champion: name the folder with --tables")
    return DriftInput(read_params(owner, params), tables, feedback, version, cache_of(owner))
