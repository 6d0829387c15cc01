"""The task of one stage: what no other try would mend fails at once."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from components.platform.errors import REFUSED
from orchestration.command import dvc, own_environment, start

if TYPE_CHECKING:
    from airflow.sdk import Context


class StageOperator(BaseOperator):
    """Brings one stage of dvc.yaml up to date by DVC, whose last line says how the stage ended.

    A stage that refuses its input, params or models fails without a retry; all else (a service
    that is down, a full disk, a process that was killed) is tried again.

    Args:
        stage: its name in dvc.yaml.
        workspace: folder of the run (a template).
        environment: variables of the stage beside this process's own (templates).

    """

    template_fields: Sequence[str] = ("workspace", "environment")
    template_fields_renderers: ClassVar[dict[str, str]] = {"environment": "json"}

    def __init__(
        self,
        *,
        stage: str,
        workspace: str,
        environment: Mapping[str, str] | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self.stage = stage
        self.workspace = workspace
        self.environment = dict(environment or {})
        self._process: subprocess.Popen[str] | None = None

    def execute(self, context: "Context") -> None:
        """Run `dvc repro --single-item`; its lines are lines of the task's log.

        Raises:
            AirflowFailException: the stage ended with the exit code of an error in what it reads.
            AirflowException: the command failed in another way.

        """
        exit_code, last_line = self._run(dvc("repro", "--single-item", self.stage))
        if last_line.endswith(f"exited with {REFUSED}"):
            raise AirflowFailException("the stage refuses what it reads: see its line above")
        if exit_code:
            raise AirflowException(f"the command failed with exit code {exit_code}")

    def on_kill(self) -> None:
        """End DVC and the stage: the task was stopped, or took longer than it may."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)

    def _run(self, command: list[str]) -> tuple[int, str]:
        """Return the exit code and the last line.

        A timeout of the task is an exception that is raised in here: nothing waits on its way out,
        for on_kill comes after it.
        """
        self.log.info("%s in %s", " ".join(command), self.workspace)
        process = start(command, Path(self.workspace), own_environment(self.environment))
        self._process = process
        assert process.stdout is not None
        line = ""
        for text in process.stdout:
            line = text.rstrip()
            self.log.info("%s", line)
        exit_code = process.wait()
        process.stdout.close()
        return exit_code, line
