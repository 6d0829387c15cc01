"""The training of an application, triggered by another DAG and waited for."""

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator

from components.platform.application import Application


def train(application: Application, conf: Any) -> TriggerDagRunOperator:
    """Return the task `train`: a run of the training with this conf, or with a task's result."""
    return TriggerDagRunOperator(
        task_id="train",
        trigger_dag_id=f"{application.name}_training",
        conf=conf,
        wait_for_completion=True,
        poke_interval=15,
        retries=0,  # the tasks of that run have tries of their own
        execution_timeout=timedelta(hours=24),
    )
