"""A person's approval whose time limit is chosen when the run is triggered."""

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Context


class Approval(ApprovalOperator):
    """Waits in Required Actions for `params.response_timeout` minutes; no answer is a rejection.

    Airflow takes the timeout when the DAG file is read; here it is a field of the trigger form.
    """

    def __init__(self, **arguments: Any) -> None:
        # Any limit makes Airflow watch the clock; execute() sets the one that was chosen.
        arguments |= {"defaults": "Reject", "response_timeout": timedelta(days=3)}
        super().__init__(**arguments)

    def execute(self, context: Context) -> None:
        """Ask, and wait as long as the run's form says."""
        self.response_timeout = timedelta(minutes=context["params"]["response_timeout"])
        super().execute(context)
