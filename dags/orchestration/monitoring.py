"""Drift of one week, on what the champion's run was registered with."""

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from components.applications import read_params
from components.platform.application import Application, DriftInput
from orchestration.registry import policy
from orchestration.runs import state


def measure(application: Application, week: date | None, feedback: str | None) -> list[str] | None:
    """Judge one week (None: the last complete one) and return a line for every alarm.

    None where there is no champion, so nothing to compare with.

    Raises:
        RegistryError, StorageError: the champion's run is not in MLflow, or its tables not in S3.
        DataError, ParamsError: a table is absent, or the week is not complete in the data.

    """
    from components.platform import tracking
    from components.platform.drift.monitoring import alarms, run
    from components.platform.feedback.served_events import LABELLED, snapshot
    from components.platform.registered_run import fetch_run

    rules = policy(application)
    champion = tracking.version_at(rules.leading, rules.aliases.champion)
    if champion is None:
        return None
    cache = state() / "drift"
    registered = fetch_run(champion, cache)
    with TemporaryDirectory() as scratch:
        fed_back = Path(scratch) if feedback else None
        if feedback and fed_back:
            snapshot(feedback, fed_back)
            snapshot(feedback, fed_back, LABELLED)
        given = DriftInput(
            params=read_params(application, registered.params),
            tables=registered.tables,
            feedback=fed_back,
            champion=champion,
            cache=cache,
        )
        judged = run(application, given, [week] if week else None)
    return alarms(judged)
