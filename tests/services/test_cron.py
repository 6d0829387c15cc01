"""`make up` where cron, systemd or an IDE calls it: a home, a path, and nothing else."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from services import supervision
from services.programs import BIN
from tests.running import ROOT, Platform, make_platform

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("services"), pytest.mark.timeout(900)]


@pytest.fixture
def cron(tmp_path: Path) -> Platform:
    """Services that are not up, and a person whose start-up files break every program."""
    home, false = tmp_path / "person", tmp_path / "false"
    home.mkdir()
    false.mkdir()
    for name in ("python", "python3", "airflow", "mlflow", "dvc"):
        (false / name).write_text("#!/bin/sh\nexit 127\n")
        (false / name).chmod(0o755)
    for name in (".bashrc", ".bash_profile", ".profile"):
        (home / name).write_text(f"export PATH={false}:$PATH\n")
    made = make_platform(tmp_path / "state")
    chosen = {k: v for k, v in made.environment.items() if k.startswith("SHOPFUSION_")}
    return Platform(made.settings, {"HOME": str(home), "PATH": os.defpath} | chosen)


@pytest.mark.skipif(shutil.which("make", path=os.defpath) is None, reason="there is no make")
def test_the_services_come_up_from_a_bare_environment(cron: Platform) -> None:
    """Standard input is a socket and no shell stands above: so bash reads ~/.bashrc."""
    here, there = socket.socketpair()
    try:
        with here, there:
            started = subprocess.run(
                ["make", "-o", "install", "up"],
                cwd=ROOT, env=cron.environment, stdin=there, capture_output=True, text=True,
                check=False,
            )  # fmt: skip
        assert started.returncode == 0, started.stdout + started.stderr
        states = {state.word for state in supervision.states(cron.settings).values()}
        assert states == {"RUNNING"}
        tasks = supervision.environment_of("airflow-scheduler", cron.settings)
        assert Path(tasks["PATH"].split(os.pathsep)[0]) == BIN
    finally:
        stopped = cron.run("down")
    assert stopped.returncode == 0, stopped.stderr
