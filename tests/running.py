"""The platform's services on free ports, started and stopped as a person would."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from services import supervision
from services.credentials import Credentials, credentials
from services.settings import ServiceSettings
from tests.ports import free_block

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Platform:
    """Running services: their settings, and how to run a command against them."""

    settings: ServiceSettings
    environment: dict[str, str]
    root: Path = ROOT  # of the repository that they run from

    @property
    def keys(self) -> Credentials:
        """Return the keys that were made at the first start."""
        return credentials(self.settings.home)[0]

    def run(self, *arguments: str, timeout: float = 580) -> subprocess.CompletedProcess[str]:
        """Run `python -m services ARGUMENTS` as a person would."""
        return run_services(self.environment, *arguments, timeout=timeout, root=self.root)

    def programs(self) -> dict[str, supervision.State]:
        """Return what supervisord knows of each program it runs."""
        return supervision.states(self.settings)

    def processes(self) -> dict[int, tuple[str, list[str]]]:
        """Return name and command line by process id of all that runs; Airflow's come and go."""
        commands = {}
        for process in supervision.processes(self.settings):
            with suppress(psutil.NoSuchProcess):
                commands[process.pid] = process.name(), process.cmdline()
        return commands


def make_platform(home: Path, **more: str) -> Platform:
    """Return a platform on free ports; `more` are other settings. Nothing is started."""
    first = free_block()
    values = {
        "home": str(home),
        "s3_port": str(first),
        "airflow_port": str(first + 5),
        "mlflow_port": str(first + 6),
        "evidently_port": str(first + 7),
        "serving_port": str(first + 8),
        "start_timeout": "540",  # tests share their cores with others; pytest waits 600
        "s3_endpoint": "",
        **more,
    }
    chosen = {f"SHOPFUSION_{name.upper()}": value for name, value in values.items()}
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SHOPFUSION_", "AIRFLOW"))}
    return Platform(ServiceSettings.model_validate(values), clean | chosen)


@contextmanager
def up(made: Platform) -> Iterator[Platform]:
    """Run its services, whatever the tests are in the middle of when they end."""
    try:
        started = made.run("up")
        assert started.returncode == 0, started.stderr
        yield made
    finally:
        stopped = made.run("down")
    assert stopped.returncode == 0, stopped.stderr
    assert supervision.processes(made.settings) == []


def run_services(
    environment: dict[str, str], *arguments: str, timeout: float = 300, root: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run `python -m services ARGUMENTS` in the checkout, or in a copy of it."""
    return subprocess.run(
        [sys.executable, "-m", "services", *arguments],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
