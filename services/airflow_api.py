"""Airflow's public REST API, as far as the demo needs it."""

import time
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import httpx

from components.platform.errors import ServiceError
from services.credentials import USER, Credentials
from services.settings import ServiceSettings

# SQLite refuses who finds it locked for too long. Nothing was written then, so the request is made
# again after these pauses; after the last one the answer stands.
BUSY_SECONDS = (1.0, 2.0, 4.0, 8.0, 0.0)


@dataclass(frozen=True)
class TaskRun:
    """One task of one DAG run."""

    name: str
    state: str  # Airflow's word; "waiting" before it has one
    attempt: int
    started: datetime | None
    ended: datetime | None

    @property
    def seconds(self) -> float | None:
        """Return how long the last attempt took, None before its end."""
        if self.started is None or self.ended is None:
            return None
        return (self.ended - self.started).total_seconds()


class AirflowApi:
    """A signed-in client; use as a context manager."""

    def __init__(self, settings: ServiceSettings, keys: Credentials) -> None:
        self._client = httpx.Client(base_url=settings.airflow_url, timeout=60)
        self._keys = keys

    def __enter__(self) -> Self:
        login = {"username": USER, "password": self._keys.airflow_password}
        token = self._ask("POST", "/auth/token", json=login)["access_token"]
        self._client.headers["Authorization"] = f"Bearer {token}"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def wait_for_dag(self, dag: str, timeout: float = 120) -> None:
        """Return when Airflow knows the DAG.

        Raises:
            ServiceError: it cannot be read, or is not seen in time.

        """
        deadline = time.monotonic() + timeout
        while self._client.get(f"/api/v2/dags/{dag}").status_code != httpx.codes.OK:
            broken = self._ask("GET", "/api/v2/importErrors")["import_errors"]
            if broken:
                last = broken[0]["stack_trace"].strip().splitlines()[-1]
                raise ServiceError(
                    f"a DAG in {broken[0]['filename']}", last, "correct the file, then run again"
                )
            if time.monotonic() > deadline:
                raise ServiceError(
                    f"Airflow to know the DAG {dag}", f"not in {timeout:g} s", "see its log"
                )
            time.sleep(0.5)

    def trigger(self, dag: str, conf: dict[str, Any]) -> str:
        """Start a run; return its id.

        Raises:
            ServiceError: Airflow refuses a value of `conf`.

        """
        asked = {"logical_date": None, "conf": conf}
        return str(self._ask("POST", f"/api/v2/dags/{dag}/dagRuns", json=asked)["dag_run_id"])

    def run(self, dag: str, run_id: str) -> dict[str, Any]:
        """Return Airflow's record of a run."""
        return self._ask("GET", f"/api/v2/dags/{dag}/dagRuns/{run_id}")

    def tasks(self, dag: str, run_id: str) -> list[TaskRun]:
        """Return the tasks of a run, in the order in which they started."""
        answer = self._ask("GET", f"/api/v2/dags/{dag}/dagRuns/{run_id}/taskInstances")
        tasks = [_task(entry) for entry in answer["task_instances"]]
        return sorted(tasks, key=lambda task: (task.started is None, task.started or task.name))

    def result(self, dag: str, run_id: str, task: str) -> Any:
        """Return what a finished task returned."""
        path = f"/api/v2/dags/{dag}/dagRuns/{run_id}/taskInstances/{task}/xcomEntries/return_value"
        return self._ask("GET", path)["value"]

    def log(self, dag: str, run_id: str, task: TaskRun) -> list[str]:
        """Return the lines of a task's last attempt."""
        path = f"/api/v2/dags/{dag}/dagRuns/{run_id}/taskInstances/{task.name}/logs/{task.attempt}"
        return [text for line in self._ask("GET", path)["content"] for text in _texts(line)]

    def _ask(self, method: str, path: str, **arguments: Any) -> Any:
        for pause in BUSY_SECONDS:
            try:
                answer = self._client.request(method, path, **arguments)
            except httpx.HTTPError as error:
                raise ServiceError(
                    f"Airflow to answer at {self._client.base_url}", str(error), "run `make up`"
                ) from error
            if answer.status_code != httpx.codes.INTERNAL_SERVER_ERROR or not pause:
                break
            if "Database error" not in answer.text:
                break
            time.sleep(pause)
        if answer.is_error:
            raise ServiceError(
                f"Airflow to accept {method} {path}",
                f"{answer.status_code} {' '.join(answer.text.split())[:300]}",
                "correct the request, or see Airflow's log",
            )
        return answer.json()


def _task(entry: dict[str, Any]) -> TaskRun:
    return TaskRun(
        name=entry["task_id"],
        state=entry["state"] or "waiting",
        attempt=entry["try_number"],
        started=_time(entry["start_date"]),
        ended=_time(entry["end_date"]),
    )


def _texts(line: dict[str, Any]) -> list[str]:
    """Return what one line of a log says; an exception is kept beside the line itself."""
    errors = [
        f"{error['exc_type']}: {error['exc_value']}" for error in line.get("error_detail") or []
    ]
    return [str(line.get("event", "")), *errors]


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
