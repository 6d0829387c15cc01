"""What a server process starts beside the requests."""

import signal
import threading
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from components.platform.settings import settings
from components.server.__main__ import main
from tests.registries import new_registry

OF_A_STORE = {"shipper", "click-models"}


@pytest.mark.parametrize(
    ("endpoint", "started"),
    [(None, set()), ("", OF_A_STORE), ("http://127.0.0.1:9", OF_A_STORE)],
    ids=["no store", "AWS", "a store of its own"],
)
def test_events_are_shipped_and_click_models_read_wherever_there_is_a_store(
    endpoint: str | None,
    started: set[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    environment = {
        "SHOPFUSION_S3_ENDPOINT": endpoint,
        "SHOPFUSION_S3_ATTEMPTS": "1",
        "SHOPFUSION_SPOOL": str(tmp_path / "spool"),
        "SHOPFUSION_MLFLOW_URI": new_registry(tmp_path),
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_EC2_METADATA_DISABLED": "true",  # no keys: AWS itself is not asked
    }
    for name, value in environment.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    before, running = set(threading.enumerate()), set[str]()

    def serve(*arguments: Any, **more: Any) -> None:
        running.update(thread.name for thread in set(threading.enumerate()) - before)

    monkeypatch.setattr(uvicorn, "run", serve)
    monkeypatch.setattr(signal, "signal", lambda *arguments: None)
    settings.cache_clear()
    try:
        assert main() == 0
    finally:
        settings.cache_clear()
    assert running & OF_A_STORE == started
    assert ("events stay in" in capsys.readouterr().out) is (not started)
