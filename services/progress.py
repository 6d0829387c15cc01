"""Live progress of a DAG run: a table on a terminal, a line a change otherwise."""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from rich.live import Live
from rich.table import Table

from components.platform.heartbeat import in_words, last_line, last_seconds
from components.platform.progress import say
from services.airflow_api import AirflowApi, TaskRun

SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_BETWEEN_LINES = 8.0  # of a task that goes on: nobody waits 10 s for one
FINISHED = {"success", "failed"}
COLOURS = {"success": "green", "failed": "red", "running": "yellow", "up_for_retry": "magenta"}


def watch(airflow: AirflowApi, dag: str, run_id: str, times: Path) -> tuple[str, list[TaskRun]]:
    """Show the tasks until the run is over; return the run's last state and its tasks.

    `times` is the folder in which stages tell what they are at, and how long the last one took.
    """
    show = _table if sys.stdout.isatty() else _lines
    return show(airflow, dag, run_id, times)


def _table(airflow: AirflowApi, dag: str, run_id: str, times: Path) -> tuple[str, list[TaskRun]]:
    with Live(refresh_per_second=4) as live:
        while True:
            state, tasks = airflow.run(dag, run_id)["state"], airflow.tasks(dag, run_id)
            live.update(_rendered(tasks, times))
            if state in FINISHED:
                return state, tasks
            time.sleep(SECONDS_BETWEEN_LOOKS)


def _lines(airflow: AirflowApi, dag: str, run_id: str, times: Path) -> tuple[str, list[TaskRun]]:
    shown: dict[str, tuple[str, int]] = {}
    said: dict[str, float] = {}  # time.monotonic() of a task's last line
    while True:
        state, tasks = airflow.run(dag, run_id)["state"], airflow.tasks(dag, run_id)
        for task in tasks:
            now = (task.state, task.attempt)
            if shown.get(task.name, ("waiting", 0)) != now:
                say(f"{task.name:24}{task.state:16}{_seconds(task)}")
                said[task.name] = time.monotonic()
            elif task.state == "running" and _due(said[task.name]):
                say(f"{task.name:24}{task.state:16}{_seconds(task):8}{doing(task.name, times)}")
                said[task.name] = time.monotonic()
            shown[task.name] = now
        if state in FINISHED:
            return state, tasks
        time.sleep(SECONDS_BETWEEN_LOOKS)


def doing(task: str, times: Path) -> str:
    """Return what a running task is at and how long it took the last time, as far as it says."""
    if (line := last_line(times, task)) is not None:
        _, _, rest = line.partition(", ")
        return rest
    before = last_seconds(times, task)
    return "" if before is None else f"last time {in_words(before)}"


def _due(said: float) -> bool:
    return time.monotonic() - said >= SECONDS_BETWEEN_LINES


def _rendered(tasks: list[TaskRun], times: Path) -> Table:
    table = Table("task", "state", "seconds", "", box=None)
    for task in tasks:
        at = doing(task.name, times) if task.state == "running" else ""
        colour = COLOURS.get(task.state, "dim")
        table.add_row(task.name, f"[{colour}]{task.state}[/]", _seconds(task), at)
    return table


def _seconds(task: TaskRun) -> str:
    if task.started is None:
        return ""
    ended = task.ended or datetime.now(UTC)
    return f"{(ended - task.started).total_seconds():.0f} s"
