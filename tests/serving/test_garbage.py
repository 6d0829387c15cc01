"""Full garbage collections happen in pauses."""

import gc
import time
import weakref

import pytest

from components.serving import garbage
from components.serving.garbage import Garbage, collect_everything


class Cycle:
    def __init__(self):
        self.me = self


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    thresholds = gc.get_threshold()
    monkeypatch.setattr(garbage, "EVERY_SECONDS", 0.05)
    yield
    gc.unfreeze()
    assert gc.get_threshold() == thresholds


def gone(found, seconds):
    end = time.monotonic() + seconds
    while found() is not None and time.monotonic() < end:
        time.sleep(0.01)
    return found() is None


def old_cycle():
    """Return a weak reference to what only a full collection frees."""
    made = Cycle()
    gc.collect()  # it is old now
    return weakref.ref(made)


def test_a_full_collection_waits_for_a_pause():
    idle = [0.0]
    collecting = Garbage(lambda: idle[0])
    collecting.start()
    try:
        assert gc.get_threshold()[2] == garbage.NEVER
        found = old_cycle()
        assert not gone(found, 0.5)
        idle[0] = 1.0
        assert gone(found, 10)
        end = time.monotonic() + 10
        while gc.get_freeze_count() < 1000:  # what is left is not looked at again
            assert time.monotonic() < end
            time.sleep(0.01)
    finally:
        collecting.stop()


def test_a_server_without_a_pause_is_collected_too(monkeypatch):
    monkeypatch.setattr(garbage, "LATEST_SECONDS", 0.3)
    collecting = Garbage(lambda: 0.0)
    found = old_cycle()
    collecting.start()
    try:
        assert gone(found, 10)
    finally:
        collecting.stop()


def test_what_was_frozen_is_freed_at_a_swap():
    made = Cycle()
    found = weakref.ref(made)
    gc.freeze()
    del made
    gc.collect()
    assert found() is not None
    collect_everything()
    assert found() is None
