"""Drift of one week, on what the champion's run was registered with."""

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from components.applications import read_params
from components.champions import champion_of
from components.platform.application import Application, DriftInput
from orchestration.registry import ROOT


def measure(application: Application, week: date | None, feedback: str | None) -> list[str] | None:
    """Judge one week (None: the last complete one) and return a line for every alarm.

    None where there is no champion, so nothing to compare with.

    Raises:
        RegistryError, StorageError: the champion's run is not in MLflow, or its tables not in S3.
        DataError, ParamsError: a table is absent, or the week is not complete in the data.

    """
    from components.platform.drift.monitoring import alarms, cache_of, run
    from components.platform.feedback.served_events import LABELLED, snapshot

    champion = champion_of(application, ROOT)
    if champion is None:
        return None
    with TemporaryDirectory() as scratch:
        fed_back = Path(scratch) if feedback else None
        if feedback and fed_back:
            snapshot(feedback, fed_back)
            snapshot(feedback, fed_back, LABELLED)
        given = DriftInput(
            params=read_params(application, champion.run.params),
            tables=champion.run.tables,
            feedback=fed_back,
            champion=champion.version,
            cache=cache_of(application),
        )
        judged = run(application, given, [week] if week else None)
    return alarms(judged)
