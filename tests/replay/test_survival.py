"""A whole replay while the server, the S3 store and Airflow's scheduler are killed with -9."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from components import storage
from components.serving.events.segments import PREFIX, records_of
from components.settings import settings as component_settings
from services import supervision
from services.lifecycle import environment
from services.replay.shop import Shop
from services.replay.visits import read_visits
from tests.platform import ROOT, Platform, make_platform
from tests.world import TinyWorld

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("services")]
KILLED = ("serving", "s3", "airflow-scheduler")


@pytest.fixture
def running(served_packages: Path, tmp_path: Path) -> Iterator[Platform]:
    """A platform of its own whose server answers with the tiny world's model."""
    made = make_platform(tmp_path / "home")
    more = {"SHOPFUSION_SERVING_PACKAGE": str(served_packages), "SHOPFUSION_SERVING_CLOCK": "data"}
    made = replace(made, environment=made.environment | more)
    started = made.run("up")
    try:
        assert started.returncode == 0, started.stderr
        yield made
    finally:
        made.run("down")


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
    command = [sys.executable, "-m", "services", "replay", "--tables", str(tables)]
    said = Path(running.settings.home / "replay.log")
    with said.open("w") as log:
        work = subprocess.Popen(
            command, cwd=ROOT, env=running.environment, stdout=log, stderr=subprocess.STDOUT
        )
        for program in KILLED * 2:  # each dies twice, somewhere in the middle
            if not wait_for_more_events(running, work):
                break
            kill(running, program)
        assert work.wait(timeout=400) == 0, said.read_text()
    accepted, known = map(
        int, re.findall(r"(\d+) events accepted, (\d+) known", said.read_text())[0]
    )
    stored = replayed(wait_until_shipped(running))
    ids = {one["event_id"] for one in stored}
    assert len(ids) == accepted + known > 1000  # all that was sent is there, under one id each
    bought = {(one["session_id"], one["item_id"]) for one in stored
              if one["event_type"] == "purchase"}  # fmt: skip
    assert {(visit.key, line.item_id) for visit in visits for line in visit.habits} <= bought

    again = running.run("replay", "--tables", str(tables), "--from-day", f"{visits[0].moment:%F}")
    assert again.returncode == 0, again.stderr
    assert {one["event_id"] for one in replayed(wait_until_shipped(running))} == ids


def replayed(records: list[dict]) -> list[dict]:
    """Return the events of replays: clicks and purchases, without what the server showed."""
    return [one for one in records if one["event_id"].startswith("replay-")]


def wait_for_more_events(running: Platform, work: subprocess.Popen, more: int = 40) -> bool:
    """Return True once `more` further lines were written; False if the replay ended."""
    first = size(running)
    while work.poll() is None:
        if abs(size(running) - first) > more * 300:
            return True
        time.sleep(0.1)
    return False


def size(running: Platform) -> int:
    """Return the bytes in the spool; it also changes when a segment has gone to S3."""
    spool = running.settings.home / "spool"
    while True:
        with contextlib.suppress(FileNotFoundError):  # shipped at this moment
            return sum(path.stat().st_size for path in spool.glob("*.jsonl"))


def kill(running: Platform, program: str) -> None:
    """End a program as a power cut would; supervisord starts it again."""
    found = supervision._control(running.settings).getProcessInfo(program)
    if found["pid"]:
        os.kill(found["pid"], signal.SIGKILL)


def wait_until_shipped(running: Platform, seconds: float = 120) -> list[dict]:
    """Return every record in S3 as soon as the spool holds none."""
    deadline = time.monotonic() + seconds
    while size(running) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert size(running) == 0, "the spool was not shipped"
    return [record for one in storage.stored(PREFIX) for record in records_of(storage.get(one.key))]
