"""Feedback ingestion for every application: whose items there are, and what challengers say.

All by the params that the champions' runs were registered with.
"""

from datetime import date
from functools import partial

from components.applications import APPLICATIONS
from components.champions import feedback_params, params_of, published, version_params
from components.platform.application import Application
from orchestration.registry import ROOT, policy


def ingest(day: date | None) -> list[str]:
    """Bring partitions up to date and return their days.

    Items are checked against those that the champions' runs were registered with.

    Raises:
        ParamsError: the params of a champion's run cannot be read.
        RegistryError, StorageError: MLflow or S3 does not answer.

    """
    from components.platform.feedback.ingestion import run

    for application in APPLICATIONS:
        _publish_items(application)
    return [str(written) for written in run(feedback_params(ROOT), day)]


def _publish_items(application: Application) -> None:
    """Say which items the champion's run had; before there is one, nobody knows."""
    from components.platform.feedback.partitions import publish_items
    from components.platform.files import read_table

    if application.items is None or (champion := published(application, ROOT)) is None:
        return
    items = read_table(champion.run.tables / application.items, ["item_id"])
    publish_items(application.name, items)


def counterfactual() -> int:
    """Write what every challenger would have shown; return for how many logged answers."""
    return sum(
        application.counterfactual(
            params_of(application, ROOT),
            partial(version_params, application, root=ROOT),
            policy(application),
        )
        for application in APPLICATIONS
        if application.counterfactual is not None
    )


def judge() -> list[str]:
    """Write the off-policy value of every challenger; return a line for each."""
    from components.platform.feedback.judging import judge as judged

    values = judged(feedback_params(ROOT))
    return [f"{version}: {value['conclusion']}" for version, value in values.items()]
