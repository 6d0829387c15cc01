"""The champion is replaced while the server answers, and only by one that works."""

import itertools
import os
import shutil
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from components.platform import tracking
from components.platform.feedback.ingestion import run
from components.platform.feedback.partitions import key_of, partition_days, read_parquet
from components.platform.registry.fetching import called
from components.platform.serving.activity import Activity
from components.server.gc_pauses import GcPauses
from components.shop_ranking.params import Params
from tests.ports import free_port
from tests.served import wait_until_shipped
from tests.shop_ranking.model_registration.handmade import ITEM_IDS, USER_IDS
from tests.shop_ranking.serving.registered import older_layout
from tests.shop_ranking.serving.shop import app_of, copied, make_server
from tests.waiting import wait_until

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


@pytest.mark.parametrize("spoil", [nan_vectors, cut_trees, wrong_scale, older_layout])
def test_a_champion_that_fails_never_replaces_one_that_works(own, packages, tmp_path, spoil):
    spoiled = copied(packages, tmp_path, "fused-ranker/2")
    spoil(spoiled.folders["fused"])
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
    """While the thread that makes rows ready is at work, and full collections wait for a pause."""
    prefetch, pauses = own.service.prefetch, GcPauses(Activity())
    prefetch.start()
    pauses.start()
    try:
        champion = own.champion.current()
        parts = (champion.ranker, champion.catalogue, champion.searcher.lexical,
                 champion.searcher.text, champion.shoppers)  # fmt: skip
        old = [weakref.ref(part) for part in parts]
        del champion, parts
        assert own.champion.use(copied(packages, tmp_path, "fused-ranker/2"))
        wait_until(
            lambda: all(part() is None for part in old),
            lambda: f"all is let go of, found {[part() for part in old]}",
        )
    finally:
        pauses.stop()
        prefetch.stop()


# --- a real registry, a real process --------------------------------------------------------------


class Process:
    """`python -m components.server` on a free port."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.spool = folder / "spool"
        environment = os.environ | environment | {
            "SHOPFUSION_SERVING_PORT": str(self.port),
            "SHOPFUSION_SERVING_CLOCK": "data",
            "SHOPFUSION_SPOOL": str(self.spool),
            "SHOPFUSION_ADMIN_KEY": "admin",
            "SHOPFUSION_EVENT_KEY": "events",
        }  # fmt: skip
        self.log = folder / "serving.log"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "components.server"],
            cwd=folder, env=environment, stdout=self.log.open("w"), stderr=subprocess.STDOUT,
        )  # fmt: skip

    def wait(self, version: str, seconds: float = 120) -> float:
        """Wait until this version answers; return the seconds."""
        started = time.monotonic()
        wait_until(
            lambda: httpx.get(f"{self.url}/ready").json()["model"].startswith(version),
            lambda: f"{version} answers: {self.log.read_text()}",
            seconds,
            unless=lambda: self.process.poll() is not None,
            passing=httpx.TransportError,
        )
        return time.monotonic() - started

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


class Load:
    """Threads that ask for everything a shop asks for, again and again, until told to stop."""

    def __init__(self, server: Process) -> None:
        self.server = server
        self.seen: list[tuple[str, int, str]] = []  # request, status, version that answered
        self.acknowledged: list[str] = []
        self._stop, self._numbers = threading.Event(), itertools.count()
        answer = httpx.post(f"{server.url}/admin/clock", json={"now": "2000-01-01T00:00:00Z"},
                            headers={"Authorization": "Bearer admin"})  # fmt: skip
        self._now = answer.json()["now"]
        self._threads = [
            threading.Thread(target=self._run, args=(ask,), daemon=True)
            for ask in (self._recommend, self._search, self._ads, self._events, self._page)
        ]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, ask: Callable[[httpx.Client, int], None]) -> None:
        with httpx.Client(base_url=self.server.url, timeout=60) as client:
            while not self._stop.is_set():
                try:
                    ask(client, next(self._numbers))
                except Exception as error:  # no answer is what a swap must not cause
                    self.seen.append((ask.__name__.removeprefix("_"), 0, repr(error)))
                time.sleep(0.005)

    def answered_by(self, version: str) -> bool:
        """Tell whether a model version has answered every kind of request that names one."""
        kinds = {name for name, _, answered in self.seen if answered == version}
        return kinds == {"recommend", "search", "ads"}

    def _note(self, name: str, answer: httpx.Response) -> None:
        version = answer.json().get("model_version", "") if name != "page" else ""
        self.seen.append((name, answer.status_code, version))

    def _recommend(self, client: httpx.Client, number: int) -> None:
        """Known shoppers, shoppers of whom nothing is known, and strangers with a session."""
        who = [{"user_id": USER_IDS[number % len(USER_IDS)]}, {"user_id": f"cold-{number}"},
               {"history": [ITEM_IDS[number % len(ITEM_IDS)]]}][number % 3]  # fmt: skip
        body = who | {"k": 1 + number % 10}
        self._note("recommend", client.post("/recommend", json=body))

    def _search(self, client: httpx.Client, number: int) -> None:
        body = {"query": f"thing {number % 7}", "user_id": USER_IDS[number % len(USER_IDS)]}
        self._note("search", client.post("/search", json=body))

    def _ads(self, client: httpx.Client, number: int) -> None:
        body = {"slots": 2, "user_id": USER_IDS[number % len(USER_IDS)]}
        self._note("ads", client.post("/ads", json=body))

    def _page(self, client: httpx.Client, number: int) -> None:
        self._note("page", client.get("/", params={"shopper": USER_IDS[number % len(USER_IDS)]}))

    def _events(self, client: httpx.Client, number: int) -> None:
        batch = [
            {"event_id": f"view-{number}-{n}", "action_name": "view", "timestamp": self._now,
             "user_id": USER_IDS[(number + n) % len(USER_IDS)],
             "event_attributes": {"object": {"object_id": ITEM_IDS[n]}}}
            for n in range(3)
        ]  # fmt: skip
        answer = client.post(
            "/events", json={"events": batch}, headers={"Authorization": "Bearer events"}
        )
        self._note("events", answer)
        if answer.status_code == 200:
            assert answer.json()["rejected"] == []
            self.acknowledged += [event["event_id"] for event in batch]


@pytest.mark.long
@pytest.mark.xdist_group("registry")
@pytest.mark.timeout(600)
def test_swaps_under_load_without_a_failed_request(mlflow, family, tmp_path, bucket, store):
    """Every kind of request while a person moves the alias; every event is downstream once."""
    shutil.copytree(family.folder / "mlflow", tmp_path / "mlflow")
    (tmp_path / "params.yaml").write_text("seed: 0\n")
    for alias in ("champion", "challenger"):
        tracking.move_alias(alias, family.first)
    first, second = called(family.first), called(family.second)
    kept = store.environment | {"SHOPFUSION_S3_BUCKET": bucket, "SHOPFUSION_MLFLOW_URI": mlflow}
    server = Process(tmp_path, kept)
    try:
        server.wait(first)
        campaign = {"campaign_id": "c", "item_ids": ITEM_IDS[:3], "bid": 0.5, "daily_budget": 9.0}
        headers = {"Authorization": "Bearer admin"}
        put = httpx.put(
            f"{server.url}/admin/campaigns", json={"campaigns": [campaign]}, headers=headers
        )
        assert put.status_code == 200, put.text
        with Load(server) as load:
            wait_until(lambda: load.answered_by(first), lambda: f"{first} answers: {load.seen}")
            tracking.move_alias("champion", family.second)  # a person does this
            taken = server.wait(second)
            wait_until(lambda: load.answered_by(second), lambda: f"{second} answers: {load.seen}")
        kinds = {name for name, _, _ in load.seen}
        assert kinds == {"recommend", "search", "ads", "events", "page"}
        assert [answer for answer in load.seen if not 200 <= answer[1] < 300] == []
        assert taken < SWAP_SECONDS
        assert {version for *_, version in load.seen} == {first, second, ""}
        # Back again, told instead of waiting for the next look.
        tracking.move_alias("champion", family.first)
        assert httpx.post(f"{server.url}/admin/champion/refresh").status_code == 401
        answer = httpx.post(f"{server.url}/admin/champion/refresh", headers=headers, timeout=60)
        assert answer.json() == {"ready": True, "model": first}
        wait_until_shipped(server.spool)
    finally:
        server.stop()
    run(Params())
    tables = [read_parquet(key_of(day, "events.parquet")) for day in partition_days()]
    arrived = [event_id for table in tables for event_id in table["event_id"].to_pylist()]
    views = [event_id for event_id in arrived if event_id.startswith("view-")]
    assert len(load.acknowledged) > 30
    assert sorted(views) == sorted(load.acknowledged)


@pytest.mark.long
@pytest.mark.xdist_group("registry")
def test_a_broken_version_in_the_registry_is_refused_once(mlflow, family, tmp_path, monkeypatch):
    """The alias is followed to a version whose numbers are too few; it is fetched a single time."""
    with family.server(tmp_path / "spool") as server:
        tracking.move_alias("champion", family.cut_short)
        fetched = []
        real = tracking.download
        monkeypatch.setattr(tracking, "download", lambda *a: fetched.append(a) or real(*a))
        for _ in range(3):
            assert not server.champion.refresh()
        assert len(fetched) == 3  # ranker and two towers, once
        assert f"{called(family.cut_short)} was refused" in server.champion.state()
        assert server.champion.current().version == called(family.first)
