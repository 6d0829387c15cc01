"""kill -9 of the server and of the store in the middle of a stream: nothing lost, nothing twice.

Real processes: the server that takes events, SeaweedFS, and feedback ingestion downstream.
"""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pyarrow as pa
import pytest

from components.platform import storage
from components.platform.feedback.ingestion import run
from components.platform.feedback.partitions import key_of, partition_days, read_parquet
from components.shop_ranking.params import Params
from tests.ports import free_block
from tests.running import ROOT
from tests.served import ADMIN_KEY, EVENT_KEY, ServedShop, wait_until_shipped
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.long,
    pytest.mark.xdist_group("store"),  # it kills the store that the other tests of it use
    pytest.mark.timeout(300),
]


class Server:
    """The intake server as a process that can be killed and started again on its spool."""

    def __init__(self, spool: Path, bucket: str, store_environment: dict[str, str]) -> None:
        self.port = free_block()
        self.environment = (
            os.environ
            | store_environment
            | {
                "SHOPFUSION_S3_BUCKET": bucket,
                "SHOPFUSION_EVENT_KEY": "secret",
                "SHOPFUSION_SPOOL": str(spool),
            }
        )
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.server.intake", str(self.port)]
        self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment)
        address = f"http://127.0.0.1:{self.port}/openapi.json"
        wait_until(
            lambda: httpx.get(address).is_success, "the server answers", passing=httpx.HTTPError
        )

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class Shoppers:
    """Four threads that send events, and again what was not acknowledged, until told to stop."""

    def __init__(self, server: Server) -> None:
        self.server, self.numbers = server, itertools.count()
        self.acknowledged: set[str] = set()
        self.resent = 0
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(4)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, more: int) -> None:
        wanted = len(self.acknowledged) + more
        wait_until(lambda: len(self.acknowledged) >= wanted, "the server takes events")

    def _send(self) -> None:
        url = f"http://127.0.0.1:{self.server.port}/events"
        with httpx.Client(headers={"Authorization": "Bearer secret"}, timeout=20) as client:
            while not self._stopped.is_set():
                batch = [self.event(next(self.numbers)) for _ in range(3)]
                while True:
                    with suppress(httpx.HTTPError):
                        answer = client.post(url, json={"events": batch})
                        if answer.status_code == 200:
                            break
                        assert answer.status_code == 503, answer.text
                    self.resent += 1
                    time.sleep(0.1)
                assert answer.json()["rejected"] == []
                self.acknowledged |= {event["event_id"] for event in batch}

    @staticmethod
    def event(number: int) -> dict:
        return {
            "event_id": f"e{number}",
            "action_name": "purchase",
            "user_id": f"shopper {number % 7}",
            "timestamp": datetime.now(UTC).isoformat(),
            "event_attributes": {"object": {"object_id": "milk"}, "price": 1.0},
        }


def downstream() -> list[str]:
    """Return the id of every event that feedback ingestion wrote."""
    run(Params())
    tables = [read_parquet(key_of(day, "events.parquet")) for day in partition_days()]
    return pa.concat_tables(tables)["event_id"].to_pylist()


@pytest.fixture
def server(tmp_path, bucket, store):
    started = Server(tmp_path, bucket, store.environment)
    yield started
    started.kill()


def test_killing_the_server_loses_no_acknowledged_event(server, tmp_path):
    shoppers = Shoppers(server)
    for _ in range(3):
        shoppers.wait_for(150)
        server.kill()
        resent = shoppers.resent
        wait_until(lambda resent=resent: shoppers.resent > resent, "somebody is interrupted")
        server.start()
    shoppers.wait_for(50)
    shoppers.stop()
    wait_until_shipped(tmp_path)
    arrived = downstream()
    assert shoppers.resent > 0  # the kills did interrupt somebody
    assert len(arrived) == len(set(arrived))
    assert set(arrived) == shoppers.acknowledged


def test_killing_the_store_loses_and_doubles_nothing(server, store, tmp_path):
    shoppers = Shoppers(server)
    shoppers.wait_for(150)
    wait_until(lambda: storage.stored("events/segments/"), "a segment in the store")
    store.kill()
    shoppers.wait_for(300)  # the spool takes over
    assert any(path.stat().st_size for path in tmp_path.glob("*.jsonl"))
    store.start()
    shoppers.wait_for(100)
    shoppers.stop()
    wait_until_shipped(tmp_path)
    arrived = downstream()
    assert shoppers.resent == 0  # nobody noticed
    assert len(arrived) == len(set(arrived))
    assert set(arrived) == shoppers.acknowledged


def test_with_the_store_away_the_spool_fills_and_then_says_so(tmp_path, bucket, store):
    away = {**store.environment, "SHOPFUSION_S3_ENDPOINT": "http://127.0.0.1:9"}
    started = Server(tmp_path, bucket, away | {"SHOPFUSION_SPOOL_MEGABYTES": "1"})
    try:
        with httpx.Client(headers={"Authorization": "Bearer secret"}, timeout=20) as client:
            accepted = 0
            for n in range(20):
                batch = [Shoppers.event(1000 * n + i) for i in range(400)]
                answer = client.post(
                    f"http://127.0.0.1:{started.port}/events", json={"events": batch}
                )
                if answer.status_code == 503:
                    break
                accepted += answer.json()["accepted"]
            assert answer.status_code == 503
            assert answer.headers["Retry-After"] == "5"
        started.kill()
        started.environment |= store.environment | {"SHOPFUSION_S3_BUCKET": bucket}
        started.start()  # now with the store
        wait_until_shipped(tmp_path)
        assert len(downstream()) == accepted
    finally:
        started.kill()


def test_the_same_segments_twice_in_the_store_count_once(server, tmp_path):
    shoppers = Shoppers(server)
    shoppers.wait_for(60)
    shoppers.stop()
    wait_until_shipped(tmp_path)
    for segment in storage.stored("events/segments/"):
        storage.put(storage.get(segment.key), segment.key.replace("segments/", "segments/copy-"))
    arrived = downstream()
    assert sorted(arrived) == sorted(shoppers.acknowledged)


def test_a_server_that_is_told_to_stop_sends_what_it_holds(
    served_packages, bucket, store, tmp_path
):
    shop = ServedShop(
        served_packages, tmp_path, store.environment | {"SHOPFUSION_S3_BUCKET": bucket}
    )
    shop.start()
    now = httpx.post(
        f"{shop.url}/admin/clock",
        json={"now": "2017-01-01T00:00:00Z"},
        headers={"Authorization": f"Bearer {ADMIN_KEY}"},
    ).json()["now"]
    batch = [Shoppers.event(number) | {"timestamp": now} for number in range(5)]
    answer = httpx.post(
        f"{shop.url}/events",
        json={"events": batch},
        headers={"Authorization": f"Bearer {EVENT_KEY}"},
    )
    assert answer.json()["accepted"] == 5
    shop.stop()  # long before a segment is old enough
    assert shop.process.returncode == 0
    assert not any(path.stat().st_size for path in shop.spool.glob("*.jsonl"))
    assert storage.stored("events/segments/")
