"""Feedback ingestion for every application: whose items there are, and what challengers say."""

from datetime import date

from components.applications import APPLICATIONS, read_shared_params
from components.platform.application import Application
from orchestration.registry import ROOT, params, policy
from orchestration.runs import state


def ingest(day: date | None) -> list[str]:
    """Bring partitions up to date and return their days.

    Items are checked against those that the champions' runs were registered with.

    Raises:
        StorageError: S3 cannot be reached.

    """
    from components.platform.feedback.ingestion import run

    for application in APPLICATIONS:
        _publish_items(application)
    return [str(written) for written in run(read_shared_params(ROOT / "params.yaml"), day)]


def _publish_items(application: Application) -> None:
    """Say which items the champion's run had; before there is one, nobody knows."""
    from components.platform import tracking
    from components.platform.errors import AbsentError
    from components.platform.feedback.partitions import publish_items
    from components.platform.files import read_table
    from components.platform.progress import say
    from components.platform.registered_run import fetch_run

    rules = policy(application)
    champion = tracking.version_at(rules.leading, rules.aliases.champion)
    if application.items is None or champion is None:
        return
    try:
        tables = fetch_run(champion, state() / "drift").tables
    except AbsentError as error:  # a run that is not published yet, or was trained by hand
        say(f"items of {application.name} stay as they were: {error}")
        return
    publish_items(application.name, read_table(tables / application.items, ["item_id"]))


def choose() -> int:
    """Write what every challenger would have shown; return for how many logged answers."""
    return sum(
        application.counterfactual(params(application), policy(application))
        for application in APPLICATIONS
        if application.counterfactual is not None
    )


def judge() -> list[str]:
    """Write the off-policy value of every challenger; return a line for each."""
    from components.platform.feedback.judging import judge as judged

    values = judged(read_shared_params(ROOT / "params.yaml"))
    return [f"{version}: {value['conclusion']}" for version, value in values.items()]
