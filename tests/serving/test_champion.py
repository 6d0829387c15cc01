"""The champion is replaced while the server answers, and only by one that works."""

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient

from components import tracking
from components.registry import load_policy
from tests.model_registration.test_component import Shop
from tests.serving.shop import app_of, copied, make_server

LOADERS = 4
SWAP_SECONDS = 30  # 10 on a machine of its own; tests share theirs
BODY = {"user_id": "somebody", "k": 5}


@pytest.fixture
def own(packages, tmp_path):
    """A server of this test's own."""
    server = make_server(packages, tmp_path / "spool")
    yield server
    server.log.close()


def answering(server) -> str:
    with TestClient(app_of(server)) as client:
        answer = client.post("/recommend", json=BODY)
        assert answer.status_code == 200, answer.text
        return answer.json()["model_version"]


def test_without_a_champion_it_is_alive_but_not_ready(tmp_path):
    server = make_server(None, tmp_path)
    with TestClient(app_of(server)) as client:
        assert client.get("/health").status_code == 200
        ready = client.get("/ready")
        assert ready.status_code == 503
        assert ready.json() == {"ready": False, "model": "no champion yet"}
        for path, body in (("/recommend", BODY), ("/search", {"query": "a"})):
            answer = client.post(path, json=body)
            assert answer.status_code == 503
            assert answer.json()["detail"].startswith("expected a ")
    server.log.close()


def nan_vectors(ranker: Path) -> None:
    (ranker / "shop" / "shop.json").unlink()


def cut_trees(ranker: Path) -> None:
    path = next((ranker / "stacking").glob("new-*.txt"))
    path.write_text(path.read_text()[:200])


def wrong_scale(ranker: Path) -> None:
    """It loads, and every score it gives is no number."""
    path = ranker / "stacking" / "stacking.json"
    text = path.read_text()
    start = text.index('"new-binary": [') + len('"new-binary": [')
    path.write_text(f"{text[:start]}NaN{text[text.index(',', start) :]}")


@pytest.mark.parametrize("spoil", [nan_vectors, cut_trees, wrong_scale])
def test_a_champion_that_fails_never_replaces_one_that_works(own, packages, tmp_path, spoil):
    spoiled = copied(packages, tmp_path, "fused-ranker/2")
    spoil(spoiled.ranker)
    assert not own.champion.use(spoiled)
    assert answering(own) == "fused-ranker/1"
    with TestClient(app_of(own)) as client:
        ready = client.get("/ready")
        assert ready.status_code == 200
        assert "fused-ranker/2 was refused: " in ready.json()["model"]
        failures = [
            line for line in client.get("/metrics").text.splitlines()
            if line.startswith("shopfusion_model_load_failures_total")
        ]  # fmt: skip
    assert float(failures[0].split()[1]) >= 1
    assert own.champion.use(copied(packages, tmp_path / "whole", "fused-ranker/3"))
    assert answering(own) == "fused-ranker/3"
    assert own.champion.state() == "fused-ranker/3"


def test_what_was_replaced_is_released(own, packages, tmp_path):
    import gc
    import weakref

    old = weakref.ref(own.champion.current().scorer)
    assert own.champion.use(copied(packages, tmp_path, "fused-ranker/2"))
    gc.collect()
    assert old() is None


# --- a real registry, a real process --------------------------------------------------------------


class Process:
    """`python -m components.serving` on a free port."""

    def __init__(self, folder: Path, mlflow: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        environment = os.environ | {
            "SHOPFUSION_MLFLOW_URI": mlflow,
            "SHOPFUSION_SERVING_PORT": str(self.port),
            "SHOPFUSION_SERVING_CLOCK": "data",
            "SHOPFUSION_SPOOL": str(folder / "spool"),
            "SHOPFUSION_ADMIN_KEY": "admin",
        }
        self.log = folder / "serving.log"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "components.serving"],
            cwd=folder, env=environment, stdout=self.log.open("w"), stderr=subprocess.STDOUT,
        )  # fmt: skip

    def wait(self, version: str, seconds: float = 120) -> float:
        """Wait until this version answers; return the seconds."""
        started = time.monotonic()
        while time.monotonic() - started < seconds:
            try:
                if httpx.get(f"{self.url}/ready").json()["model"].startswith(version):
                    return time.monotonic() - started
            except httpx.TransportError:
                assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)
        pytest.fail(f"{version} does not answer: {self.log.read_text()}")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


def load(url: str, stop: threading.Event, seen: list[tuple[int, str]]) -> None:
    """Ask again and again until told to stop."""
    with httpx.Client() as client:
        while not stop.is_set():
            answer = client.post(f"{url}/recommend", json=BODY, timeout=60)
            seen.append((answer.status_code, answer.json().get("model_version", "")))
            time.sleep(0.005)


@pytest.mark.services
@pytest.mark.xdist_group("registry")
def test_swaps_under_load_without_a_failed_request(mlflow, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shop = Shop(tmp_path)
    shop.train()
    shop.register()
    (tmp_path / "params.yaml").write_text("seed: 0\n")
    server = Process(tmp_path, mlflow)
    try:
        name = load_policy().models.fused
        server.wait(f"{name}/1")
        stop, seen = threading.Event(), []
        threads = [
            threading.Thread(target=load, args=(server.url, stop, seen)) for _ in range(LOADERS)
        ]
        for thread in threads:
            thread.start()
        shop.train(scale=2.0)  # challenger
        shop.register()
        second = tracking.champion(name, "challenger")
        assert second.version == "2"
        tracking.move_alias("champion", second)  # a person does this
        taken = server.wait(f"{name}/2")
        time.sleep(0.5)
        stop.set()
        for thread in threads:
            thread.join()
        assert {status for status, _ in seen} == {200}
        assert taken < SWAP_SECONDS
        versions = [version for _, version in seen]
        assert {f"{name}/1", f"{name}/2"} == set(versions)
        assert len(seen) > 50
        # Back again, told by a webhook instead of waiting for the next look.
        tracking.move_alias("champion", tracking.version(name, "1"))
        refused = httpx.post(f"{server.url}/admin/champion/refresh")
        assert refused.status_code == 401
        headers = {"Authorization": "Bearer admin"}
        answer = httpx.post(f"{server.url}/admin/champion/refresh", headers=headers, timeout=60)
        assert answer.json() == {"ready": True, "model": f"{name}/1"}
    finally:
        server.stop()


@pytest.mark.services
@pytest.mark.xdist_group("registry")
def test_a_broken_version_in_the_registry_is_refused_once(mlflow, tmp_path, monkeypatch, capsys):
    """The alias is followed to a version whose numbers are none; it is fetched a single time."""
    monkeypatch.chdir(tmp_path)
    shop = Shop(tmp_path)
    shop.train()
    shop.register()
    server = make_server(None, tmp_path / "spool")
    server.champion.policy = load_policy()
    assert server.champion.refresh()
    shop.train(scale=float("nan"))
    numbers = tmp_path / "models/fused/state/items/numbers.npy"
    np.save(numbers, np.load(numbers)[:3])
    shop_version = register_unseen(shop)
    tracking.move_alias("champion", shop_version)
    fetched = []
    real = tracking.download
    monkeypatch.setattr(tracking, "download", lambda *a: fetched.append(a) or real(*a))
    for _ in range(3):
        assert not server.champion.refresh()
    assert len(fetched) == 3  # ranker and two towers, once
    assert f"{load_policy().models.fused}/2 was refused" in server.champion.state()
    assert server.champion.current().version == f"{load_policy().models.fused}/1"
    server.log.close()


def register_unseen(shop: Shop) -> tracking.Version:
    """Register what the gate would never let through, as a person could by hand."""
    from components.model_registration.packaging import ranker_package
    from components.params import Params

    first = tracking.version(load_policy().models.fused, "1")
    package = ranker_package(Path("models/fused"), Path("data/prepared"), Path("scratch"))
    with tracking.stage_run("by_hand", Params()):
        return tracking.register(package, first.name, dict(first.tags))
