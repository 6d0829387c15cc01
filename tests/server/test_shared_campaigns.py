"""Campaigns of several replicas on a real Redis: all end with the newest, whatever was cut off."""

import shutil
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from components.platform.errors import ServiceError
from components.platform.serving.clock import Clock
from components.platform.serving.event_hooks import EventHooks
from components.server.events.log import EventLog
from components.server.replicas.redis_client import RedisClient
from components.server.replicas.replicas import Replicas
from components.shop_ranking.ads.ads import Ads
from components.shop_ranking.ads.campaigns import Campaign
from tests.server.test_replicas import Redis
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(
    shutil.which("redis-server") is None,
    reason="redis-server is not installed (Debian: apt-get install redis-server)",
)


START = datetime(2020, 1, 1, tzinfo=UTC)


class Replica:
    """What one server process has of it."""

    def __init__(self, redis: Redis, folder: Path) -> None:
        folder.mkdir()
        self.log, self.clock = EventLog.open(folder, 1 << 20), Clock("data")
        self.hooks = EventHooks()
        self.replicas = Replicas(RedisClient(redis.url), self.log, self.hooks, self.clock)
        self.ads = Ads(folder, replicas=self.replicas)
        self.clock.start(START)
        self.replicas.start(START)

    def names(self) -> list[str]:
        return [campaign.campaign_id for campaign in self.ads.campaigns()]

    def stop(self) -> None:
        self.replicas.stop()
        self.log.close()


@pytest.fixture
def redis() -> Iterator[Redis]:
    made = Redis()
    yield made
    made.kill()


@pytest.fixture
def two(redis: Redis, tmp_path: Path) -> Iterator[tuple[Replica, Replica]]:
    made = Replica(redis, tmp_path / "a"), Replica(redis, tmp_path / "b")
    wait_until(
        lambda: all(not server.replicas.client.problem for server in made), "Redis answers all"
    )
    yield made
    for server in made:
        server.stop()


def campaign(name: str) -> Campaign:
    return Campaign(campaign_id=name, item_ids=("milk",), bid=1.0, daily_budget=1.0)


def test_an_older_one_that_is_read_late_does_not_win(
    two: tuple[Replica, Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = two
    read, connected, cut_off = b.replicas.client.read, threading.Event(), threading.Event()
    taken = []

    def late(after: str, wait: bool) -> list:
        if not connected.is_set():
            cut_off.set()
            raise ServiceError("an answer of Redis", "none", "wait")
        return read(after, wait)

    monkeypatch.setattr(b.replicas.client, "read", late)
    assert cut_off.wait(30)
    a.ads.replace([campaign("older")])
    b.ads.replace([campaign("newer")])
    b.hooks.subscribe(taken.extend)
    record = {"event_id": "1", "event_type": "view", "item_id": "milk", "user_id": "ann",
              "timestamp": datetime.now(UTC).isoformat()}  # fmt: skip
    a.log.append([record], durable=True)
    connected.set()
    wait_until(
        lambda: len(taken) == 1, "b has read all before"
    )  # b has read all that was before it
    assert a.names() == b.names() == ["newer"]


def test_a_redis_that_has_lost_everything_is_told_them_again(
    redis: Redis, two: tuple[Replica, Replica], tmp_path: Path
) -> None:
    a, b = two
    a.ads.replace([campaign("kept")])
    wait_until(lambda: b.names() == ["kept"], "b has the campaign")
    later = START + timedelta(days=1)
    a.clock.set(later)  # its stream writer knows this Redis
    wait_until(lambda: b.clock.now() == later, "one clock")
    redis.kill()
    redis.start()
    a.clock.set(later + timedelta(days=1))
    redis_value = a.replicas.client.value
    wait_until(lambda: redis_value("campaigns") is not None, "Redis has the campaigns again")
    late = Replica(redis, tmp_path / "late")
    try:
        assert late.names() == ["kept"]
    finally:
        late.stop()
