"""Requests that wait together are answered from one batch, as if each had come alone."""

import asyncio
import threading
from datetime import timedelta

import numpy as np

from components.platform.pseudonyms import pseudonym_of
from components.platform.serving.activity import Activity
from components.platform.serving.batching import BATCH_SIZE, ENOUGH, Batching
from components.shop_ranking.serving.api import RecommendRequest, SearchRequest
from tests.shop_ranking.serving.shop import user_ids
from tests.waiting import wait_until

SECONDS = 60  # that an event is waited for at most


def nothing_to_read(request):
    return None


async def turns():
    """Let the event loop do what is due."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_what_waits_together_is_one_batch():
    batches = []

    async def ask():
        batching = Batching(
            lambda requests: batches.append(len(requests)), nothing_to_read, Activity()
        )
        await asyncio.gather(*(batching.ready(RecommendRequest()) for _ in range(BATCH_SIZE + 3)))
        await batching.ready(RecommendRequest())

    asyncio.run(ask())
    assert batches == [BATCH_SIZE, 3, 1]


def test_a_batch_that_fails_lets_each_answer_alone():
    def fail(requests):
        raise ValueError("no batch today")

    asyncio.run(
        asyncio.wait_for(
            Batching(fail, nothing_to_read, Activity()).ready(RecommendRequest()), SECONDS
        )
    )


def test_queries_are_read_before_their_batch_and_beside_it():
    """A batch waits for queries that are being read, but not for all where several are ready."""
    read, batches, begun, held = [], [], threading.Event(), threading.Event()

    def reading(request):
        if not request.query:
            return None
        return lambda: (hold() if request.query == "slow" else None, read.append(request.query))

    def hold():
        begun.set()
        held.wait(SECONDS)

    async def ask():
        batching = Batching(
            lambda requests: batches.append([request.query for request in requests]),
            reading,
            Activity(),
        )
        slow = asyncio.create_task(batching.ready(SearchRequest(query="slow")))
        await asyncio.to_thread(begun.wait, SECONDS)
        few = [asyncio.create_task(batching.ready(SearchRequest(query=f"{n}"))) for n in range(2)]
        await asyncio.to_thread(wait_until, lambda: len(read) == 2, "two queries are read")
        await turns()
        assert batches == []  # they wait for the slow one
        more = [asyncio.create_task(batching.ready(SearchRequest())) for _ in range(ENOUGH - 2)]
        await asyncio.wait_for(asyncio.gather(*few, *more), SECONDS)
        assert [sorted(batch) for batch in batches] == [["", "", "0", "1"]]
        held.set()
        await asyncio.wait_for(slow, SECONDS)
        assert batches[1:] == [["slow"]]

    asyncio.run(ask())
    assert sorted(read) == ["0", "1", "slow"]


def test_nobody_waits_for_a_client_that_has_gone_or_a_query_that_cannot_be_read():
    begun, held, failed, batches = threading.Event(), threading.Event(), threading.Event(), []

    def hold():
        begun.set()
        held.wait(SECONDS)

    def fail():
        failed.set()
        raise ZeroDivisionError

    def reading(request):
        return {"held": hold, "bad": fail}[request.query]

    async def ask():
        batching = Batching(lambda requests: batches.append(len(requests)), reading, Activity())
        gone = asyncio.create_task(batching.ready(SearchRequest(query="held")))
        bad = asyncio.create_task(batching.ready(SearchRequest(query="bad")))
        for event in (begun, failed):
            await asyncio.to_thread(event.wait, SECONDS)
        await turns()
        assert not bad.done()
        gone.cancel()
        await asyncio.wait_for(bad, SECONDS)
        held.set()

    asyncio.run(ask())
    assert batches == [1]


def test_a_new_query_is_read_once(champion):
    known = SearchRequest(query=champion.catalogue.title[0])
    new = SearchRequest(query="words that nobody has asked before")
    assert champion.reading(RecommendRequest()) is None
    assert champion.reading(SearchRequest(query=" ")) is None
    read = champion.reading(new)
    before = champion.searcher.text.encode.cache_info().misses
    read()
    champion.prepare([new, known], champion.as_of)
    assert champion.searcher.text.encode.cache_info().misses == before + 2
    assert champion.reading(new) is None
    champion.search(new, champion.as_of)
    assert champion.searcher.text.encode.cache_info().misses == before + 2


def test_a_batch_leaves_the_very_scores_of_shoppers_alone(champion):
    users = [*user_ids(champion, 12), "nobody knows them", None]
    now = champion.as_of + timedelta(days=40)
    title = champion.catalogue.title[champion.engine.popular[0]]
    home = [RecommendRequest(user_id=user) for user in users]
    words = [SearchRequest(user_id=user, query=title) for user in users]
    later = now + timedelta(days=1)
    alone = [champion.shopper(request, now) for request in home]
    champion.prepare([*home, *words], later)
    misses = champion.shoppers.states.misses + champion.recommender.rankings.misses
    for asked, shopper in zip(home, alone, strict=True):
        again = champion.shopper(asked, later)
        ranked = champion.recommender.ranked(again)
        if not shopper.has_history:
            continue
        # On its own at the same moment: the states and the scores of the batch, to the last bit.
        own = champion.shoppers.at(pseudonym_of(asked.user_id), (), later)
        assert np.array_equal(own.state.pairs, again.state.pairs, equal_nan=True)
        assert np.array_equal(own.state.numbers, again.state.numbers, equal_nan=True)
        single = champion.ranker.ranked(own.state)[0]
        assert np.array_equal(single.items, ranked.items)
        assert np.abs(single.scores - ranked.scores).max() < 1e-5
        assert len(ranked.items) > 0
    assert champion.shoppers.states.misses + champion.recommender.rankings.misses == misses
    for request in words:
        shopper = champion.shopper(request, later)
        before = champion.searcher.orders.misses
        champion.searcher.search(request, shopper)
        assert champion.searcher.orders.misses == before
