"""Full garbage collections happen in pauses."""

import asyncio
import gc
import threading
import time
import weakref

import pytest

from components.platform.serving.activity import Activity
from components.platform.serving.batching import Batching
from components.server import gc_pauses
from components.server.gc_pauses import GcPauses, collect_soon
from components.shop_ranking.serving.api import SearchRequest
from tests.waiting import wait_until


class Cycle:
    def __init__(self):
        self.me = self


@pytest.fixture(autouse=True)
def as_before():
    thresholds = gc.get_threshold()
    gc_pauses.DUE.clear()
    yield
    assert gc.get_threshold() == thresholds


def stays(found, seconds):
    """Return whether it is still there after some seconds: nothing says that nothing happens."""
    time.sleep(seconds)
    return found() is not None


def old_cycle():
    """Return a weak reference to what only a full collection frees."""
    made = Cycle()
    gc.collect()  # it is old now
    return weakref.ref(made)


def test_a_full_collection_waits_for_a_pause(monkeypatch):
    monkeypatch.setattr(gc_pauses, "EVERY_SECONDS", 0.05)
    activity = Activity()
    activity.begin()
    collecting = GcPauses(activity)
    collecting.start()
    try:
        assert gc.get_threshold()[2] == gc_pauses.NEVER
        found = old_cycle()
        assert stays(found, 0.5)
        activity.end()
        wait_until(lambda: found() is None, "it is collected")
    finally:
        collecting.stop()


def test_a_server_without_a_pause_is_collected_too(monkeypatch):
    monkeypatch.setattr(gc_pauses, "EVERY_SECONDS", 0.05)
    monkeypatch.setattr(gc_pauses, "LATEST_SECONDS", 0.3)
    found = old_cycle()
    busy = Activity()
    busy.begin()
    collecting = GcPauses(busy)
    collecting.start()
    try:
        wait_until(lambda: found() is None, "it is collected")
    finally:
        collecting.stop()


def test_what_is_large_is_collected_in_the_next_pause():
    collecting = GcPauses(Activity())
    found = old_cycle()
    collecting.start()
    try:
        assert stays(found, 0.3)  # ten minutes have not gone by
        collect_soon()
        wait_until(lambda: found() is None, "it is collected")
    finally:
        collecting.stop()


def test_nobody_is_idle_while_a_request_waits():
    go_on = threading.Event()

    async def ask():
        activity = Activity()
        batching = Batching(lambda requests: None, lambda request: lambda: go_on.wait(5), activity)
        one = asyncio.create_task(batching.ready(SearchRequest(query="slow")))
        await asyncio.sleep(0.1)
        assert activity.idle_seconds() == 0.0
        go_on.set()
        await one
        await asyncio.sleep(0.02)
        assert activity.idle_seconds() > 0.01

    asyncio.run(ask())
