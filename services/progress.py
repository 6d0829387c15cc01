"""Live progress of a DAG run: a table on a terminal, a line a change otherwise."""

import sys
import time
from datetime import UTC, datetime

from rich.live import Live
from rich.table import Table

from components.platform.progress import say
from services.airflow_api import AirflowApi, TaskRun

SECONDS_BETWEEN_LOOKS = 1.0
FINISHED = {"success", "failed"}
COLOURS = {"success": "green", "failed": "red", "running": "yellow", "up_for_retry": "magenta"}


def watch(airflow: AirflowApi, dag: str, run_id: str) -> tuple[str, list[TaskRun]]:
    """Show the tasks until the run is over; return the run's last state and its tasks."""
    show = _table if sys.stdout.isatty() else _lines
    return show(airflow, dag, run_id)


def _table(airflow: AirflowApi, dag: str, run_id: str) -> tuple[str, list[TaskRun]]:
    with Live(refresh_per_second=4) as live:
        while True:
            state, tasks = airflow.run(dag, run_id)["state"], airflow.tasks(dag, run_id)
            live.update(_rendered(tasks))
            if state in FINISHED:
                return state, tasks
            time.sleep(SECONDS_BETWEEN_LOOKS)


def _lines(airflow: AirflowApi, dag: str, run_id: str) -> tuple[str, list[TaskRun]]:
    shown: dict[str, tuple[str, int]] = {}
    while True:
        state, tasks = airflow.run(dag, run_id)["state"], airflow.tasks(dag, run_id)
        for task in tasks:
            now = (task.state, task.attempt)
            if shown.get(task.name, ("waiting", 0)) != now:
                say(f"{task.name:24}{task.state:16}{_seconds(task)}")
            shown[task.name] = now
        if state in FINISHED:
            return state, tasks
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _rendered(tasks: list[TaskRun]) -> Table:
    table = Table("task", "state", "seconds", box=None)
    for task in tasks:
        colour = COLOURS.get(task.state, "dim")
        table.add_row(task.name, f"[{colour}]{task.state}[/]", _seconds(task))
    return table


def _seconds(task: TaskRun) -> str:
    if task.started is None:
        return ""
    ended = task.ended or datetime.now(UTC)
    return f"{(ended - task.started).total_seconds():.0f} s"
