"""The DAG `fusion_refresh`: fits the fusion's weights on what was fed back, towers as they are."""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, get_current_context, task

from orchestration.form import feedback_form
from orchestration.training_run import train

DOC = """
As `retraining`, but no tower is trained: the champion's encode what is new, and only the fusion is
fitted, in the champion's way. Started by hand.
"""


@task(execution_timeout=timedelta(minutes=30))
def decide() -> dict[str, Any]:
    """Return the conf of the training; skip where none is due."""
    from orchestration.deciding import due, refreshed

    return refreshed(due(get_current_context()))


with DAG(
    "fusion_refresh",
    description="The fusion alone, from what was fed back",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    params=feedback_form(1),
    default_args={"owner": "shopfusion", "retries": 1, "retry_delay": timedelta(seconds=10)},
    tags=["training", "shopfusion"],
    doc_md=DOC,
) as dag:
    train(decide())
