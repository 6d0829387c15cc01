"""The task of one stage: what no other try would mend fails at once."""

from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from components.platform.errors import REFUSED

if TYPE_CHECKING:
    from airflow.sdk import Context


class StageOperator(BashOperator):
    """A command that runs a stage by DVC, whose last line says how the stage ended.

    A stage that refuses its input, params or models fails without a retry; all else (a service
    that is down, a full disk, a process that was killed) is tried again.
    """

    def execute(self, context: "Context") -> Any:
        """Run the command.

        Raises:
            AirflowFailException: the stage ended with the exit code of an error in what it reads.
            AirflowException: the command failed in another way.

        """
        result = self.subprocess_hook.run_command(
            ["bash", "-c", str(self.bash_command)], env=self.get_env(context), cwd=self.cwd
        )
        if result.output.endswith(f"exited with {REFUSED}"):
            raise AirflowFailException("the stage refuses what it reads: see its line above")
        if result.exit_code:
            raise AirflowException(f"the command failed with exit code {result.exit_code}")
