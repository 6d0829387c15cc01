"""Requests that wait together are answered from one batch, as if each had come alone."""

import asyncio
from datetime import timedelta

import numpy as np

from components.pseudonyms import at_the_door
from components.serving.api import RecommendRequest, SearchRequest
from components.serving.waiting import TOGETHER, Waiting
from tests.serving.shop import user_ids


def test_what_waits_together_is_one_batch():
    batches = []

    async def ask():
        waiting = Waiting(lambda requests: batches.append(len(requests)))
        await asyncio.gather(*(waiting.ready(RecommendRequest()) for _ in range(TOGETHER + 3)))
        await waiting.ready(RecommendRequest())

    asyncio.run(ask())
    assert batches == [TOGETHER, 3, 1]


def test_a_batch_that_fails_lets_each_answer_alone():
    def fail(requests):
        raise ValueError("no batch today")

    asyncio.run(asyncio.wait_for(Waiting(fail).ready(RecommendRequest()), 5))


def test_a_batch_leaves_the_very_scores_of_shoppers_alone(champion):
    users = [*user_ids(champion, 12), "nobody knows them", None]
    now = champion.as_of + timedelta(days=40)
    title = champion.catalogue.title[champion.scorer.popular[0]]
    home = [RecommendRequest(user_id=user) for user in users]
    words = [SearchRequest(user_id=user, query=title) for user in users]
    later = now + timedelta(days=1)
    alone = [champion._shopper(one, now) for one in home]
    champion.prepare([*home, *words], later)
    misses = champion.shoppers._states.misses + champion.recommender._rankings.misses
    for one, shopper in zip(home, alone, strict=True):
        again = champion._shopper(one, later)
        found = champion.recommender.ranked(again)
        if not shopper.has_history:
            continue
        # On its own at the same moment: the states and the scores of the batch, to the last bit.
        own = champion.shoppers.at(at_the_door(one.user_id), (), later)
        assert np.array_equal(own.state.pairs, again.state.pairs, equal_nan=True)
        assert np.array_equal(own.state.numbers, again.state.numbers, equal_nan=True)
        single = champion.scorer.rank(own.state)
        assert np.array_equal(single.items, found.items)
        assert np.abs(single.scores - found.scores).max() < 1e-5
        assert len(found.items) > 0
    assert champion.shoppers._states.misses + champion.recommender._rankings.misses == misses
    for request in words:
        shopper = champion._shopper(request, later)
        before = champion.searcher._orders.misses
        champion.searcher.search(request, shopper)
        assert champion.searcher._orders.misses == before
