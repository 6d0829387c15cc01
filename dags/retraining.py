"""Each application's retraining: a challenger when enough came back, on drift, or by hand."""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, get_current_context, task

from components.applications import APPLICATIONS, application
from components.platform.application import WARM_START
from orchestration.assets import FEEDBACK, drift
from orchestration.form import feedback_form
from orchestration.training_run import train

DOC = """
Decides, and triggers the application's training with the window moved to the end of what was fed
back and the models started from the champion's. Nothing is trained here.

It starts on the asset `feedback` (then only with at least *Purchases* new ones), on the asset
`<application>_drift`, or by hand. The challenger is compared and asked about like any other.
"""


@task(execution_timeout=timedelta(minutes=30))
def decide(name: str) -> dict[str, Any]:
    """Return the conf of the training; skip where none is due."""
    from orchestration.deciding import due

    return due(application(name), get_current_context()) | {WARM_START: True}


for each in (owner for owner in APPLICATIONS if owner.retraining is not None):
    with DAG(
        f"{each.name}_retraining",
        description=f"{each.title}: a challenger from what was fed back, from the champion on",
        schedule=(FEEDBACK | drift(each)),
        catchup=False,
        max_active_runs=1,
        params=feedback_form(20_000),
        default_args={"owner": "shopfusion", "retries": 1, "retry_delay": timedelta(seconds=10)},
        tags=["training", each.name],
        doc_md=DOC,
    ):
        train(each, decide(each.name))
