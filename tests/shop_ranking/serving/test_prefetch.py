"""Rows are made ready before shoppers ask, in pauses between requests."""

from datetime import timedelta

import numpy as np
import pytest
from prometheus_client import REGISTRY

from components.platform.serving.activity import PAUSE_SECONDS, Activity
from components.shop_ranking.serving.api import RecommendRequest
from components.shop_ranking.serving.champion import Champion
from components.shop_ranking.serving.prefetch import Prefetch
from tests.waiting import wait_until


@pytest.fixture
def prefetch(server):
    """The thread at work on the server's champion."""
    made = Prefetch(server.champion, server.clock, server.activity)
    server.hooks.subscribe(made.accept)
    made.start()
    yield made
    made.stop()


def due():
    """Return how many shoppers are due, as the server's metrics say."""
    return REGISTRY.get_sample_value("shopfusion_shoppers_due")


def is_ready(champion, user, now):
    """Tell whether a request of the shopper finds the state and the ranking kept."""
    states, rankings = champion.shoppers.states, champion.recommender.rankings
    key = (user, champion.shoppers.live.revision(user), champion.shoppers.day(now))
    return not states.missing([key]) and not rankings.missing([key])


def test_all_shoppers_are_made_ready_and_again_on_another_day(server, champion, prefetch):
    users = champion.shoppers.latest(10_000)
    assert len(users) > 100
    wait_until(
        lambda: due() == 0 and is_ready(champion, users[-1], server.clock.now()),
        "rows are made ready",
    )
    assert all(is_ready(champion, user, server.clock.now()) for user in users)

    tomorrow = server.clock.set(server.clock.now() + timedelta(days=1))
    assert not is_ready(champion, users[-1], tomorrow)
    wait_until(lambda: is_ready(champion, users[-1], tomorrow), "rows are made ready")
    assert all(is_ready(champion, user, tomorrow) for user in users)

    # What was made ready is what a request computes.
    request = RecommendRequest(user_id=users[0])
    kept = champion.recommender.ranked(champion.shopper(request, tomorrow))
    own = champion.ranker.ranked(champion.shoppers.at(users[0], (), tomorrow).state)[0]
    assert np.array_equal(kept.items, own.items)
    assert np.abs(kept.scores - own.scores).max() < 1e-5


def test_who_did_something_is_next(server, champion, prefetch, monkeypatch):
    wait_until(lambda: prefetch.all_ready, "rows are made ready")
    made = []
    prepare = Champion.prepare

    def noted(self, requests, now):
        made.extend(request.user_id for request in requests)
        prepare(self, requests, now)

    monkeypatch.setattr(Champion, "prepare", noted)
    *others, first, last = champion.shoppers.latest(10_000)
    server.activity.begin()  # a request keeps it from beginning
    server.clock.set(server.clock.now() + timedelta(days=1))
    now = server.clock.now().isoformat()
    event = {
        "event_id": f"prefetch-{now}", "event_type": "click", "user_id": first, "timestamp": now,
        "item_id": champion.catalogue.item_id[champion.engine.popular[0]], "session_id": "s",
    }  # fmt: skip
    before = champion.shoppers.live.revision(first)
    server.log.append([event], durable=False)
    assert champion.shoppers.live.revision(first) == before + 1
    server.activity.end()
    wait_until(lambda: last in made, "rows are made ready")
    assert made == [first, *others, last]


def test_nothing_is_made_ready_while_a_request_is_open(server, champion, prefetch, monkeypatch):
    wait_until(lambda: prefetch.all_ready, "rows are made ready")
    users = champion.shoppers.latest(10_000)
    looks, pause_left = [], server.activity.pause_left
    monkeypatch.setattr(server.activity, "pause_left", lambda: looks.append(1) or pause_left())
    server.activity.begin()
    later = server.clock.set(server.clock.now() + timedelta(days=1))
    wait_until(lambda: len(looks) > 10, "ten looks for a pause")
    assert not any(is_ready(champion, user, later) for user in users)
    server.activity.end()
    wait_until(lambda: is_ready(champion, users[-1], later), "rows are made ready")


def test_a_pause_begins_a_while_after_a_request():
    activity = Activity()
    assert activity.pause_left() < 0  # nobody has come
    activity.note()
    noted = activity.pause_left()
    assert noted <= PAUSE_SECONDS
    wait_until(lambda: activity.pause_left() <= 0, "a pause")


def test_the_latest_shoppers_come_first(champion):
    users = champion.shoppers.latest(10_000)
    shoppers = champion.shoppers
    ends = [shoppers.events.ptr[shoppers.place[shoppers.row[user]] + 1] for user in users]
    days = [shoppers.events.day[end - 1] for end in ends]
    assert days == sorted(days)
    assert champion.shoppers.latest(3) == users[:3]
