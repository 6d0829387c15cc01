"""Drift of one week, on the tables that the champion's run left in its workspace."""

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from components.platform.errors import StorageError
from components.shop_ranking.application import TABLES
from components.shop_ranking.params import load_params
from orchestration.registry import policy
from orchestration.runs import folder


def measure(week: date | None, feedback: str | None) -> list[str] | None:
    """Judge one week (None: the last complete one) and return a line for every alarm.

    None where there is no champion, so nothing to compare with.

    Raises:
        StorageError: the champion's workspace is gone.
        DataError, ParamsError: a table is absent, or the week is not complete in the data.

    """
    from components.platform import tracking
    from components.platform.drift.monitoring import alarms, run
    from components.platform.feedback.served_events import LABELLED, snapshot

    rules = policy()
    champion = tracking.version_at(rules.leading, rules.aliases.champion)
    if champion is None:
        return None
    workspace = folder(champion.tags["pipeline_run"])
    if not (workspace / TABLES).is_dir():
        raise StorageError(
            f"the tables of the champion's run in {workspace}",
            "none",
            "clear its tasks in Airflow, beginning with workspace, or raise SHOPFUSION_KEEP_RUNS",
        )
    params = load_params(workspace / "params.yaml")
    with TemporaryDirectory() as scratch:
        fed_back = Path(scratch) if feedback else None
        if feedback and fed_back:
            snapshot(feedback, fed_back)
            snapshot(feedback, fed_back, LABELLED)
        judged = run(
            params,
            tables=workspace / TABLES,
            feedback=fed_back,
            champion=champion,
            weeks=[week] if week else None,
        )
    return alarms(judged)
