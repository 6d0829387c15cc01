"""Stages that run side by side in one workspace wait for DVC's lock of it; on a real DVC."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import yaml

from orchestration.dvc_lock import lock_owner

ROOT = Path(__file__).resolve().parents[2]

SIDE_BY_SIDE = ("first", "second", "third", "fourth")
# As a process of DVC: takes the lock, says so, and holds it until its standard input ends.
HOLD = """
import sys, zc.lockfile
lock = zc.lockfile.LockFile(sys.argv[1])
print(flush=True)
sys.stdin.read()
"""
TASK = """
import logging, sys
from orchestration import stage_operator
logging.basicConfig(level=logging.INFO, stream=sys.stdout, force=True)
stage_operator.LOOK_SECONDS = 0.5
stage_operator.StageOperator(task_id="it", stage=sys.argv[1], workspace=sys.argv[2]).execute({})
"""
LONG = "waits for DVC's lock of the workspace, 4 of 900 s"  # DVC by itself gives up after 3 s


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / ".dvc" / "tmp").mkdir(parents=True)
    (tmp_path / ".dvc" / "config").write_text(
        "[core]\n    no_scm = true\n    analytics = false\n    check_update = false\n"
    )
    (tmp_path / "input").write_text("of all")
    stages: dict[str, dict] = {
        name: {"cmd": f"cp input {name}", "deps": ["input"], "outs": [name]}
        for name in SIDE_BY_SIDE
    }
    stages["broken"] = {"cmd": "echo once >> tries; echo Unable to acquire lock; exit 1"}
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    return tmp_path


@contextmanager
def held(workspace: Path) -> Iterator[subprocess.Popen]:
    """Hold the lock in another process."""
    lock = workspace / ".dvc" / "tmp" / "lock"
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    assert other.stdin is not None
    other.stdout.readline()
    try:
        yield other
    finally:
        other.stdin.close()
        other.wait()
        other.stdout.close()


def test_who_holds_the_lock(workspace: Path) -> None:
    assert lock_owner(workspace) is None
    with held(workspace) as other:
        assert lock_owner(workspace) == other.pid
        assert lock_owner(workspace) == other.pid  # to look takes nothing away
    assert lock_owner(workspace) is None


@contextmanager
def task(stage: str, workspace: Path) -> Iterator[subprocess.Popen]:
    """Run the task of a stage in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", TASK, stage, workspace],
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'dags'}"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def read_until(text: str, process: subprocess.Popen) -> str:
    """Return the first line of its log that has this text."""
    assert process.stdout is not None
    return next((line for line in process.stdout if text in line), "")


@pytest.mark.long
def test_a_stage_waits_for_the_lock_and_says_for_whom(workspace: Path) -> None:
    with held(workspace) as other, task("first", workspace) as blocked:
        assert f"process {other.pid} (" in read_until(LONG, blocked)
        other.stdin.close()
        blocked.communicate(timeout=300)
        assert blocked.returncode == 0
    assert (workspace / "first").read_text() == "of all"


@pytest.mark.long
def test_four_stages_begun_at_once_all_succeed(workspace: Path) -> None:
    with ExitStack() as stack:
        other = stack.enter_context(held(workspace))
        tasks = [stack.enter_context(task(name, workspace)) for name in SIDE_BY_SIDE]
        for blocked in tasks:
            assert read_until(LONG, blocked)
        other.stdin.close()
        for blocked in tasks:
            blocked.communicate(timeout=300)
        assert [blocked.returncode for blocked in tasks] == [0, 0, 0, 0]
    assert set(yaml.safe_load((workspace / "dvc.lock").read_text())["stages"]) == set(SIDE_BY_SIDE)


@pytest.mark.long
def test_the_wait_ends_and_names_the_lock_owner(
    workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.exceptions import AirflowException, AirflowFailException

    from orchestration.stage_operator import StageOperator

    monkeypatch.setattr("orchestration.stage_operator.LOOK_SECONDS", 0.5)
    task = StageOperator(task_id="first", stage="first", workspace=str(workspace), lock_timeout=2)
    with held(workspace) as other, pytest.raises(AirflowException) as caught:
        task.execute({})
    assert not isinstance(caught.value, AirflowFailException)  # Airflow tries it again
    said = capsys.readouterr().out
    assert f"of 2 s; process {other.pid} (" in said
    assert "the lock was not given back" in said
    assert not (workspace / "first").exists()


@contextmanager
def writing(workspace: Path) -> Iterator[subprocess.Popen]:
    """Let another process write the stages' input, as DVC's lock of files says."""
    other = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    locks = {"write": {str(workspace / "input"): {"pid": other.pid, "cmd": "dvc checkout"}}}
    (workspace / ".dvc" / "tmp" / "rwlock").write_text(json.dumps(locks))
    try:
        yield other
    finally:
        other.kill()
        other.communicate()


@pytest.mark.long
def test_files_that_another_process_writes_are_waited_for(
    workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.stage_operator import StageOperator

    monkeypatch.setattr("orchestration.stage_operator.LOOK_SECONDS", 0.5)
    with writing(workspace) as other:
        monkeypatch.setattr(time, "sleep", lambda _: other.communicate())  # it ends meanwhile
        StageOperator(task_id="first", stage="first", workspace=str(workspace)).execute({})
    said = capsys.readouterr().out
    assert "is busy, it is being blocked by" in said
    assert "tries again in 0.5 s" in said


@pytest.mark.long
def test_files_that_another_process_goes_on_writing_are_waited_for_to_a_limit(
    workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.exceptions import AirflowException, AirflowFailException

    from orchestration.stage_operator import StageOperator

    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    task = StageOperator(task_id="first", stage="first", workspace=str(workspace), lock_timeout=1)
    with writing(workspace), pytest.raises(AirflowException, match="others used") as caught:
        task.execute({})
    assert not isinstance(caught.value, AirflowFailException)  # Airflow tries it again
    assert len(pauses) == capsys.readouterr().out.count("tries again in 5 s, after ")
    assert all(pause == 5 for pause in pauses)  # between two tries, each of which takes seconds
    assert not (workspace / "first").exists()


@pytest.mark.long
def test_a_stage_that_fails_is_not_repeated_whatever_it_prints(workspace: Path) -> None:
    from airflow.sdk.exceptions import AirflowException

    from orchestration.stage_operator import StageOperator

    with pytest.raises(AirflowException):
        StageOperator(task_id="broken", stage="broken", workspace=str(workspace)).execute({})
    assert (workspace / "tries").read_text() == "once\n"
