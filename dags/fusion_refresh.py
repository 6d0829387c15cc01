"""Each application's refresh: fits the leading model on what was fed back, parts as they are."""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, get_current_context, task

from components.applications import APPLICATIONS, application
from orchestration.form import feedback_form
from orchestration.training_run import train

DOC = """
As the retraining, but no part is trained: the champion's encode what is new, and only the
leading model is fitted, as the champion's was. Started by hand.
"""


@task(execution_timeout=timedelta(minutes=30))
def decide(name: str) -> dict[str, Any]:
    """Return the conf of the training; skip where none is due."""
    from orchestration.deciding import due, refreshed

    owner = application(name)
    return refreshed(owner, due(owner, get_current_context()))


REFRESHED = [
    owner for owner in APPLICATIONS if owner.retraining is not None and owner.retraining.refresh
]
for each in REFRESHED:
    with DAG(
        f"{each.name}_fusion_refresh",
        description=f"{each.title}: the leading model alone, from what was fed back",
        schedule=None,
        catchup=False,
        max_active_runs=1,
        params=feedback_form(1),
        default_args={"owner": "shopfusion", "retries": 1, "retry_delay": timedelta(seconds=10)},
        tags=["training", each.name],
        doc_md=DOC,
    ):
        train(each, decide(each.name))
