"""Full garbage collections happen in pauses."""

import asyncio
import gc
import threading
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
    """Leave out of collections what the process holds already: each would take a second."""
    gc.collect()
    gc.freeze()
    thresholds = gc.get_threshold()
    gc_pauses.DUE.clear()
    yield
    gc.unfreeze()
    assert gc.get_threshold() == thresholds


class Looks(Activity):
    """Counts how often somebody looks whether there is a pause."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def pause_left(self):
        self.count += 1
        return super().pause_left()


def old_cycle():
    """Return a weak reference to what only a full collection frees."""
    made = Cycle()
    gc.collect()  # it is old now
    return weakref.ref(made)


def test_a_full_collection_waits_for_a_pause(monkeypatch):
    monkeypatch.setattr(gc_pauses, "EVERY_SECONDS", 0.05)
    activity = Looks()
    activity.begin()
    collecting = GcPauses(activity)
    collecting.start()
    try:
        assert gc.get_threshold()[2] == gc_pauses.NEVER
        cycle = old_cycle()
        wait_until(lambda: activity.count > 10, "ten looks for a pause")
        assert cycle() is not None
        activity.end()
        wait_until(lambda: cycle() is None, "it is collected")
    finally:
        collecting.stop()


def test_a_server_without_a_pause_is_collected_too(monkeypatch):
    monkeypatch.setattr(gc_pauses, "EVERY_SECONDS", 0.05)
    monkeypatch.setattr(gc_pauses, "LATEST_SECONDS", 0.3)
    cycle = old_cycle()
    busy = Activity()
    busy.begin()
    collecting = GcPauses(busy)
    collecting.start()
    try:
        wait_until(lambda: cycle() is None, "it is collected")
    finally:
        collecting.stop()


def test_what_is_large_is_collected_in_the_next_pause():
    collecting = GcPauses(Activity())
    cycle = old_cycle()
    collecting.start()
    try:
        assert cycle() is not None  # ten minutes have not gone by
        collect_soon()
        wait_until(lambda: cycle() is None, "it is collected")
    finally:
        collecting.stop()


def test_nobody_is_idle_while_a_request_waits():
    reads, go_on = threading.Event(), threading.Event()

    def read():
        reads.set()
        go_on.wait(60)

    async def ask():
        activity = Activity()
        batching = Batching(lambda requests: None, lambda request: read, activity)
        answer = asyncio.create_task(batching.ready(SearchRequest(query="slow")))
        await asyncio.to_thread(reads.wait, 60)
        assert activity.idle_seconds() == 0.0
        go_on.set()
        await answer
        assert activity.idle_seconds() > 0.0

    asyncio.run(ask())
