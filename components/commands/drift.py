"""Watch weeks: `python -m components drift --application shop_ranking --week 2017-11-20`."""

import argparse
from datetime import date
from pathlib import Path

from components.applications import APPLICATIONS, application, read_params
from components.platform import tracking
from components.platform.application import Application, DriftInput
from components.platform.drift.alert import raise_alarm
from components.platform.drift.monitoring import alarms, run
from components.platform.feedback.served_events import LABELLED, snapshot
from components.platform.files import scratch_folder
from components.platform.params import PARAMS
from components.platform.registered_run import fetch_run
from components.platform.registry.policy import load_policy
from components.platform.settings import settings
from components.platform.tracking import Version


def main(arguments: list[str]) -> int:
    """Judge the weeks that were asked for; return 0 without an alarm, 2 with one.

    Raises:
        ShopError: the weeks cannot be judged.

    """
    asked = _parser().parse_args(arguments)
    owner = application(asked.application)
    champion = None if asked.no_champion else _champion(owner)
    with scratch_folder() as scratch:
        feedback = scratch if asked.feedback else None
        if feedback:
            snapshot(asked.feedback, feedback)
            snapshot(asked.feedback, feedback, LABELLED)
        given = _given(owner, asked.tables, feedback, champion)
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


def _champion(owner: Application) -> Version | None:
    policy = load_policy(owner)
    return tracking.version_at(policy.leading, policy.aliases.champion)


def _given(
    owner: Application, tables: Path | None, feedback: Path | None, champion: Version | None
) -> DriftInput:
    """Return the input: tables and params of the champion's run, unless a folder was named."""
    cache, params = settings().home / "drift", PARAMS
    if tables is None and champion is not None:
        registered = fetch_run(champion, cache)
        tables, params = registered.tables, registered.params
    if tables is None:
        _parser().error("there is no champion: name the folder with --tables")
    return DriftInput(read_params(owner, params), tables, feedback, champion, cache)
