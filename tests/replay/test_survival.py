"""A whole replay while the server, the S3 store and Airflow's scheduler are killed with -9."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from components.platform import storage
from components.platform.errors import StorageError
from components.platform.feedback import ingestion as feedback_ingestion
from components.platform.feedback.partitions import key_of, partition_days, read_parquet
from components.platform.serving.segments import PREFIX, records_of
from components.platform.settings import settings as component_settings
from components.shop_ranking.params import Params
from services.airflow_api import AirflowApi
from services.lifecycle import environment
from services.replay.shop import Shop
from services.replay.visits import read_visits
from tests.dags.promoting import AIRFLOW_SECONDS
from tests.running import ROOT, Platform, make_platform, up
from tests.served import spooled, wait_until_shipped
from tests.waiting import wait_until
from tests.world import TinyWorld

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("services"), pytest.mark.timeout(1800)]
SCHEDULER = "airflow-scheduler"
KILLED = ("serving", "s3", SCHEDULER)
INGESTION = "feedback_ingestion"
TOLD = r"(\d+) events accepted, (\d+) known already, (\d+) requests repeated"


@pytest.fixture
def running(served_packages: Path, tmp_path: Path) -> Iterator[Platform]:
    """A platform of its own whose server answers with the tiny world's model."""
    made = make_platform(tmp_path / "home")
    more = {"SHOPFUSION_SERVING_PACKAGE": str(served_packages), "SHOPFUSION_SERVING_CLOCK": "data"}
    with up(replace(made, environment=made.environment | more)) as platform:
        yield platform


def test_no_event_is_lost_and_none_counts_twice(
    running: Platform, tiny_world: TinyWorld, monkeypatch: pytest.MonkeyPatch
):
    tables = tiny_world.path("data_ingestion", "tables")
    for name, value in environment(running.settings).items():
        monkeypatch.setenv(name, value)
    component_settings.cache_clear()
    with Shop(
        running.settings.serving_url, running.keys.event_key, running.keys.admin_key, 60
    ) as it:
        visits = read_visits(tables, it.now(), simulated=True)
    said = play_and_kill(running, tables)
    accepted, known, repeated = map(int, re.search(TOLD, said).groups())
    assert repeated > 0
    stored = replayed(shipped_records(running))
    ids = {record["event_id"] for record in stored}
    assert len(ids) == accepted + known > 1000  # all that was sent is there, under one id each
    bought = {(record["session_id"], record["item_id"]) for record in stored
              if record["event_type"] == "purchase"}  # fmt: skip
    assert {(visit.key, line.item_id) for visit in visits for line in visit.habits} <= bought
    assert partitioned() == sorted(ids)  # and feedback has each once

    again = running.run("replay", "--tables", str(tables), "--from-day", f"{visits[0].moment:%F}")
    assert again.returncode == 0, again.stderr
    assert {record["event_id"] for record in replayed(shipped_records(running))} == ids
    assert partitioned() == sorted(ids)


def play_and_kill(running: Platform, tables: Path) -> str:
    """Replay to the end while every program dies twice; return what the replay said."""
    said, killed = running.settings.home / "replay.log", []
    api = AirflowApi(running.settings, running.keys)
    with replaying(running, tables, said) as work, api as airflow:
        for program in KILLED:  # each dies somewhere in the middle ...
            wait_for_more_events(running, work)
            killed.append(kill(running, program, work))
        for program in KILLED:  # ... and again, the scheduler while a task of its runs
            wait_for_more_events(running, work)
            if program == SCHEDULER:
                with held(work):
                    ingestion = start_ingestion(airflow)
            killed.append(kill(running, program, work))
        assert work.wait(timeout=400) == 0, said.read_text()
        done = {"success", "failed"}
        wait_until(
            lambda: airflow.run(INGESTION, ingestion)["state"] in done,
            "the ingestion's end",
            AIRFLOW_SECONDS,
        )
        assert airflow.run(INGESTION, ingestion)["state"] == "success"
    assert len(set(killed)) == 2 * len(KILLED)
    assert not {running.programs()[program].pid for program in KILLED} & set(killed)
    return said.read_text()


@contextlib.contextmanager
def replaying(running: Platform, tables: Path, said: Path) -> Iterator[subprocess.Popen]:
    """Replay as a person would, at most as long as the block."""
    command = [sys.executable, "-m", "services", "replay", "--tables", str(tables)]
    with said.open("w") as log:
        work = subprocess.Popen(
            command, cwd=ROOT, env=running.environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield work
        finally:
            work.kill()
            work.wait()


def start_ingestion(airflow: AirflowApi) -> str:
    """Start the DAG on what is in S3; return its run as soon as its first task works."""
    wait_until(shipped, "a segment in S3", AIRFLOW_SECONDS)
    airflow.wait_for_dag(INGESTION, timeout=300)
    run = airflow.trigger(INGESTION, {})
    wait_until(
        lambda: "running" in [task.state for task in airflow.tasks(INGESTION, run)],
        "the task ingest",
        AIRFLOW_SECONDS,
    )
    return run


def shipped() -> bool:
    """Tell whether S3 is there and has a segment."""
    with contextlib.suppress(StorageError):
        return bool(storage.stored(PREFIX))
    return False


def partitioned() -> list[str]:
    """Bring feedback up to date; return the ids of replayed events in all partitions, sorted."""
    feedback_ingestion.run(Params())
    tables = [read_parquet(key_of(day, "events.parquet")) for day in partition_days()]
    return sorted(record["event_id"] for record in replayed(pa.concat_tables(tables).to_pylist()))


def replayed(records: list[dict]) -> list[dict]:
    """Return the events of replays: clicks and purchases, without what the server showed."""
    return [record for record in records if record["event_id"].startswith("replay-")]


def wait_for_more_events(running: Platform, work: subprocess.Popen, more: int = 40) -> None:
    """Return once `more` further lines were written; the replay must not be over by then."""
    first = size(running)
    wait_until(
        lambda: abs(size(running) - first) > more * 300,
        "further lines, before the replay ends",
        AIRFLOW_SECONDS,
        unless=lambda: work.poll() is not None,
    )


@contextlib.contextmanager
def held(work: subprocess.Popen) -> Iterator[None]:
    """Let the replay wait: it is still in the middle, however long the block takes."""
    work.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        work.send_signal(signal.SIGCONT)


def size(running: Platform) -> int:
    return spooled(running.settings.home / "spool")


def kill(running: Platform, program: str, work: subprocess.Popen) -> int:
    """End a program as a power cut would, in mid-replay; supervisord starts it again."""
    with held(work):
        wait_until(lambda: running.programs()[program].word == "RUNNING", program, AIRFLOW_SECONDS)
    assert work.poll() is None
    pid: int = running.programs()[program].pid
    os.kill(pid, signal.SIGKILL)
    return pid


def shipped_records(running: Platform) -> list[dict]:
    """Return every record in S3 as soon as the spool holds none."""
    wait_until_shipped(running.settings.home / "spool")
    return [
        record
        for segment in storage.stored(PREFIX)
        for record in records_of(storage.get(segment.key))
    ]
