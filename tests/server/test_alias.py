"""The alias is followed whatever happens, and a version that lacks a part says so."""

import tempfile

import mlflow as client
import pytest
from fastapi.testclient import TestClient

from components.platform import tracking
from components.platform.errors import AbsentError, RegistryError, StorageError
from components.platform.registry.fetching import called
from components.platform.settings import settings
from components.server import model_manager
from tests.shop_ranking.serving.shop import app_of
from tests.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("registry")]
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def server(mlflow, family, tmp_path, monkeypatch):
    """Answers by the first version, and looks every 50 ms once it watches."""
    monkeypatch.setattr(model_manager, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(model_manager, "LONGEST_PAUSE", 0.1)
    with family.server(tmp_path / "spool") as made:
        yield made


def follows(server, version) -> bool:
    return wait_until(lambda: server.champion.state() == called(version), called(version))


def failures(server) -> float:
    with TestClient(app_of(server)) as asked:
        lines = asked.get("/metrics").text.splitlines()
    (line,) = [line for line in lines if line.startswith("shopfusion_model_load_failures_total")]
    return float(line.split()[1])


@pytest.mark.parametrize("kind", ["without_tower", "without_files", "broken"])
def test_a_version_that_lacks_a_part_is_refused_once_and_said(server, family, kind, monkeypatch):
    lacking, before = getattr(family, kind), failures(server)
    tracking.move_alias("champion", lacking)
    fetched = []
    real = tracking.download
    monkeypatch.setattr(tracking, "download", lambda *a: fetched.append(a) or real(*a))
    server.champion.watch()
    wanted = f"{called(lacking)} was refused: "
    wait_until(lambda: wanted in server.champion.state(), "the refusal is said")
    once = len(fetched)
    looks = []
    aliased = tracking.version_at
    monkeypatch.setattr(tracking, "version_at", lambda *a: looks.append(a) or aliased(*a))
    wait_until(lambda: len(looks) > 4, "four looks more")
    assert len(fetched) == once  # it is not downloaded again at every look
    assert failures(server) == before + 1
    with TestClient(app_of(server)) as asked:
        ready = asked.get("/ready")
        assert ready.status_code == 200
        assert wanted in ready.json()["model"]
        assert asked.post("/recommend", json={}).json()["model_version"].endswith("/1")
    tracking.move_alias("champion", family.second)
    assert follows(server, family.second)


def test_a_registry_that_is_away_refuses_nothing(server, family, mlflow, monkeypatch):
    tracking.move_alias("champion", family.second)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    real = tracking.download

    def cut_off(uri, folder):
        """The registry goes away between the question for the alias and the download."""
        client.set_tracking_uri(NOBODY)
        monkeypatch.setenv("SHOPFUSION_MLFLOW_URI", NOBODY)
        settings.cache_clear()
        return real(uri, folder)

    monkeypatch.setattr(tracking, "download", cut_off)
    with pytest.raises(RegistryError) as raised:
        server.champion.refresh()
    assert not isinstance(raised.value, AbsentError)
    assert server.champion.refused is None
    monkeypatch.setattr(tracking, "download", real)
    server.champion.watch()
    said = "the alias is not followed: expected an answer of MLflow"
    wait_until(lambda: said in server.champion.state(), "the trouble is said")
    monkeypatch.setenv("SHOPFUSION_MLFLOW_URI", mlflow)  # it is back
    settings.cache_clear()
    assert follows(server, family.second)


def test_the_watcher_survives_a_disk_without_room(server, family, monkeypatch, capsys):
    tracking.move_alias("champion", family.second)
    monkeypatch.setattr(tempfile, "tempdir", "/dev/full")
    with pytest.raises(StorageError, match="expected to write /dev/full/"):
        server.champion.refresh()
    server.champion.watch()
    wait_until(
        lambda: "the alias is not followed: " in server.champion.state(), "the trouble is said"
    )
    assert server.champion.refused is None
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert follows(server, family.second)
    said = [line for line in capsys.readouterr().out.splitlines() if "not followed" in line]
    assert len(said) == 1  # not at every look


def test_the_watcher_survives_what_nobody_foresaw(server, family, monkeypatch):
    real, calls = tracking.version_at, []

    def fails(*given):
        calls.append(given)
        if len(calls) < 3:
            raise RuntimeError("nobody foresaw this")
        return real(*given)

    monkeypatch.setattr(tracking, "version_at", fails)
    server.champion.watch()
    wait_until(lambda: "nobody foresaw this" in server.champion.state(), "the trouble is said")
    tracking.move_alias("champion", family.second)
    assert follows(server, family.second)
