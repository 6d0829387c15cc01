"""A real MLflow server on a free port, and a hand-made run folder to register from."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from components import tracking
from components.settings import settings
from tests.ports import free_port

SECONDS_TO_START = 180


@pytest.fixture(scope="session")
def mlflow_uri(tmp_path_factory) -> Iterator[str]:
    """MLflow with SQLite and artifacts on disk, handed out over HTTP."""
    folder = tmp_path_factory.mktemp("mlflow")
    port = free_port()
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"),
            *("--port", str(port), "--workers", "1"),
            *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
            *("--artifacts-destination", str(folder / "artifacts")),
        ],
        cwd=folder,
        env={
            **os.environ,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        },
        stdout=(folder / "log").open("w"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    uri = f"http://127.0.0.1:{port}"
    try:
        _wait(f"{uri}/health", folder / "log")
        yield uri
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)


def _wait(url: str, log: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.3)
    pytest.fail(f"MLflow did not start:\n{log.read_text()}")


@pytest.fixture
def mlflow(mlflow_uri, monkeypatch) -> Iterator[str]:
    """The server as the environment of a stage names it."""
    monkeypatch.setenv("SHOPFUSION_MLFLOW_URI", mlflow_uri)
    settings.cache_clear()
    tracking.connect()  # another test of this process may have pointed elsewhere
    yield mlflow_uri
    settings.cache_clear()
