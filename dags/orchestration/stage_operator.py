"""The task of one stage: what no other try would mend fails at once."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from components.platform.errors import REFUSED
from orchestration.command import dvc, own_environment, start
from orchestration.dvc_lock import BEGUN, BUSY, LockWait, described

if TYPE_CHECKING:
    from airflow.sdk import Context

LOOK_SECONDS = 5.0  # between two looks at who holds DVC's lock


@dataclass(frozen=True)
class Ended:
    """How a command ended; `busy`: others used its files, and its stage has not begun."""

    exit_code: int
    last_line: str
    busy: bool


class StageOperator(BaseOperator):
    """Brings one stage of dvc.yaml up to date by DVC, whose last line says how the stage ended.

    A stage that refuses its input, params or models fails without a retry; all else (a service
    that is down, a full disk, a process that was killed) is tried again.

    Args:
        stage: its name in dvc.yaml.
        workspace: folder of the run (a template).
        environment: variables of the stage beside this process's own (templates).
        lock_timeout: seconds to wait for a lock of DVC that another process holds.

    """

    template_fields: Sequence[str] = ("workspace", "environment")
    template_fields_renderers: ClassVar[dict[str, str]] = {"environment": "json"}

    def __init__(
        self,
        *,
        stage: str,
        workspace: str,
        environment: Mapping[str, str] | None = None,
        lock_timeout: float = 900,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self.stage = stage
        self.workspace = workspace
        self.environment = dict(environment or {})
        self.lock_timeout = lock_timeout
        self._process: subprocess.Popen[str] | None = None

    def execute(self, context: "Context") -> None:
        """Run `dvc repro --single-item`; its lines are lines of the task's log.

        Where another process holds DVC's lock, or reads or writes the same files, it waits.

        Raises:
            AirflowFailException: the stage ended with the exit code of an error in what it reads.
            AirflowException: the command failed in another way, or waited too long for the lock.

        """
        started = time.monotonic()
        command = dvc("--wait-for-lock", "repro", "--single-item", self.stage)
        while (ended := self._run(command)).busy:
            waited = time.monotonic() - started
            if waited > self.lock_timeout:
                raise AirflowException(
                    f"others used the stage's files for {waited:.0f} s: see above"
                )
            self.log.info(
                "tries again in %g s, after %.0f of %.0f s", LOOK_SECONDS, waited, self.lock_timeout
            )
            time.sleep(LOOK_SECONDS)
        if ended.last_line.endswith(f"exited with {REFUSED}"):
            raise AirflowFailException("the stage refuses what it reads: see its line above")
        if ended.exit_code:
            raise AirflowException(f"the command failed with exit code {ended.exit_code}")

    def on_kill(self) -> None:
        """End DVC and the stage: the task was stopped, or took longer than it may."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)

    def _run(self, command: list[str]) -> Ended:
        """Run the command once.

        A timeout of the task is an exception that is raised in here: nothing waits on its way out,
        for on_kill comes after it.
        """
        self.log.info("%s in %s", " ".join(command), self.workspace)
        process = start(command, Path(self.workspace), own_environment(self.environment))
        self._process = process
        over = Event()
        Thread(target=self._watch_lock, args=(process.pid, over), daemon=True).start()
        assert process.stdout is not None
        line, begun, busy = "", False, False
        try:
            for text in process.stdout:
                line = text.rstrip()
                begun = begun or bool(BEGUN.match(line))
                busy = not begun and (busy or bool(BUSY.search(line)))
                self.log.info("%s", line)
            exit_code = process.wait()
        finally:
            over.set()
        process.stdout.close()
        return Ended(exit_code, line, busy=bool(exit_code) and busy)

    def _watch_lock(self, process: int, over: Event) -> None:
        """Say every few seconds for whom the process waits, and end it when it has for too long."""
        lock_wait = LockWait(Path(self.workspace), process)
        while not over.wait(LOOK_SECONDS):
            if (seen := lock_wait.look()) is None:
                continue
            seconds, owner = seen
            self.log.info(
                "waits for DVC's lock of the workspace, %.0f of %.0f s; %s holds it",
                seconds,
                self.lock_timeout,
                described(owner),
            )
            if seconds >= self.lock_timeout:
                self.log.error("ends: the lock was not given back in %.0f s", self.lock_timeout)
                self.on_kill()
                return
