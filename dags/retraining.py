"""The DAG `retraining`: trains a challenger when enough came back, on drift, or by hand."""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, get_current_context, task

from orchestration.assets import DRIFT, FEEDBACK
from orchestration.form import feedback_form
from orchestration.training_run import train

DOC = """
Decides, and triggers the DAG `training` with the window moved to the end of what was fed back and
the towers started from the champion's. Nothing is trained here.

It starts on the asset `feedback` (then only with at least *Purchases* new ones), on the asset
`drift`, or by hand. The challenger is compared and asked about like any other: see `promotion`.
"""


@task(execution_timeout=timedelta(minutes=30))
def decide() -> dict[str, Any]:
    """Return the conf of the training; skip where none is due."""
    from orchestration.deciding import due

    return due(get_current_context()) | {"warm_start": True}


with DAG(
    "retraining",
    description="A challenger from what was fed back, warm-started from the champion",
    schedule=(FEEDBACK | DRIFT),
    catchup=False,
    max_active_runs=1,
    params=feedback_form(20_000),
    default_args={"owner": "shopfusion", "retries": 1, "retry_delay": timedelta(seconds=10)},
    tags=["training", "shopfusion"],
    doc_md=DOC,
) as dag:
    train(decide())
