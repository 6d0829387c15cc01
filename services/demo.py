"""What `make demo` does after the install: one training to a champion, then some shoppers."""

import time
from pathlib import Path
from typing import Any

from components.platform import tracking
from components.platform.errors import RegistryError
from components.platform.files import write_json
from components.platform.heartbeat import stage_times
from components.platform.progress import say
from components.platform.registry.policy import POLICY, load_policy
from components.shop_ranking.application import REPORTS, SHOP_RANKING
from components.shop_ranking.evaluation.leaderboard import print_leaderboard
from services import lifecycle
from services.airflow_api import AirflowApi, TaskRun
from services.credentials import credentials
from services.memory import PeakMemory
from services.progress import watch
from services.replay.command import replay
from services.replay.settings import ReplaySettings
from services.replay.visits import NoVisitsError
from services.settings import ROOT, ServiceSettings

DAG, FEEDBACK = "shop_ranking_training", "feedback_ingestion"
LINES_OF_LOG = 25
# Some weeks of some shoppers, so that the pages have something to show.
SHOPPERS, SECONDS, PATIENCE = 0.1, 8.0, 120.0


def demo(settings: ServiceSettings, conf: dict[str, Any]) -> int:
    """Train and show the result; return 0 only if the DAGs succeeded and a champion exists.

    Raises:
        ServiceError: a service does not come up, or Airflow refuses the run.
        RegistryError: no champion is registered.

    """
    began = time.monotonic()
    settings = settings.model_copy(update={"serving_clock": "data"})  # the past is replayed
    lifecycle.up(settings)
    keys, _ = credentials(settings.home)
    with AirflowApi(settings, keys) as airflow, PeakMemory(settings) as memory:
        airflow.wait_for_dag(DAG)
        run_id = airflow.trigger(DAG, conf)
        say(f"Run {run_id}: {settings.airflow_url}/dags/{DAG}/runs/{run_id}")
        try:
            state, tasks = watch(airflow, DAG, run_id, stage_times(settings.home))
        except KeyboardInterrupt:
            say("\nThe run goes on in Airflow. `make down` ends it and the services.")
            raise
        measured = {
            "run_id": run_id,
            "state": state,
            "seconds": round(time.monotonic() - began, 1),
            "task_seconds": {task.name: task.seconds for task in tasks},
            "peak_memory_mb": round(memory.megabytes),
        }
        _record(measured, settings.home / "demo.json")
        if state != "success":
            _explain(airflow, DAG, run_id, tasks)
            return 1
        workspace = Path(airflow.result(DAG, run_id, "workspace"))
        show_result(workspace)
        let_shoppers_come(settings, workspace / "data" / "tables")
        if not _take_in(airflow, stage_times(settings.home)):
            return 1
    lifecycle.show(settings)
    return 0


def let_shoppers_come(settings: ServiceSettings, tables: Path) -> None:
    """Replay some visits, and wait until what came of them is in S3."""
    few = ReplaySettings(tables=tables, shoppers=SHOPPERS, most_seconds=SECONDS, patience=PATIENCE)
    try:
        replay(settings, few)
    except NoVisitsError:
        say("Every basket of the data has been replayed: nobody is left to come.")
    deadline = time.monotonic() + PATIENCE
    while _waits(settings.home / "spool"):
        if time.monotonic() > deadline:
            say("Some events still wait for S3; the next feedback_ingestion takes them in.")
            break
        time.sleep(1)


def _take_in(airflow: AirflowApi, times: Path) -> bool:
    """Let the DAG feedback_ingestion take in what is new; return whether it did.

    One run without a day brings every day up to date that new events speak of. A run a day, as a
    backfill would make, costs the start of two tasks for each of the replayed days.
    """
    airflow.wait_for_dag(FEEDBACK)
    run_id = airflow.trigger(FEEDBACK, {})
    state, tasks = watch(airflow, FEEDBACK, run_id, times)
    if state != "success":
        _explain(airflow, FEEDBACK, run_id, tasks)
    return state == "success"


def _waits(spool: Path) -> bool:
    """Tell whether events wait here to be shipped to S3."""
    try:
        return any(path.stat().st_size for path in spool.glob("*.jsonl"))
    except FileNotFoundError:  # shipped at this moment
        return True


def _record(measured: dict[str, Any], path: Path) -> None:
    """Keep and print how long each task took, and the memory of everything together."""
    write_json(measured, path)
    for name, seconds in measured["task_seconds"].items():
        if seconds is not None:
            say(f"{name:24}{seconds:8.1f} s")
    say(f"{'in all':24}{measured['seconds']:8.1f} s, with the start of the services")
    say(f"Peak memory {measured['peak_memory_mb']} MB; these numbers are in {path}")


def show_result(workspace: Path) -> None:
    """Print the leaderboard of the run, and the champion."""
    policy = load_policy(SHOP_RANKING, ROOT / POLICY)
    name = policy.leading
    champion = tracking.version_at(name, policy.aliases.champion)
    if champion is None:
        raise RegistryError(
            f"a champion of {name} after the run", "none", "see the task model_registration's log"
        )
    print_leaderboard(workspace / REPORTS / "leaderboard.csv")
    say(f"Champion: {name} version {champion.version}")


def _explain(airflow: AirflowApi, dag: str, run_id: str, tasks: list[TaskRun]) -> None:
    """Print the end of the log of the first task that failed."""
    failed = [task for task in tasks if task.state == "failed"]
    if failed:
        say(f"{failed[0].name} failed; the end of its log:")
        for line in airflow.log(dag, run_id, failed[0])[-LINES_OF_LOG:]:
            say(f"    {line}")
