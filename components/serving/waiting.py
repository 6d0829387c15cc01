"""Requests that wait at the same moment are made ready in one batch.

Numpy's cost a call is most of the cost of a few hundred rows: the states, features and trees of
eight shoppers together cost less than eight times those of one. Features do not depend on who else
waits (ADR 14).
"""

import asyncio
import time
from collections.abc import Callable, Sequence

from components.progress import say
from components.serving.api import RecommendRequest, SearchRequest

TOGETHER = 16  # requests of one batch: the first of them waits for the last
Request = RecommendRequest | SearchRequest


class Waiting:
    """Collects requests until the event loop has read all that have arrived."""

    def __init__(self, prepare: Callable[[Sequence[Request]], None]) -> None:
        """`prepare` leaves in caches what answering the requests needs."""
        self._prepare = prepare
        self._waiting: list[tuple[Request, asyncio.Future[None]]] = []
        self._asked = float("-inf")  # when the last request came

    def idle_seconds(self) -> float:
        """Return for how long no request has come."""
        return time.monotonic() - self._asked

    def asked(self) -> None:
        """Note that a request is answered, by whichever way it came."""
        self._asked = time.monotonic()

    async def ready(self, request: Request) -> None:
        """Return once the request can be answered from what is kept."""
        self.asked()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.append((request, future))
        if len(self._waiting) == 1:
            loop.call_soon(self._flush, loop)
        await future

    def _flush(self, loop: asyncio.AbstractEventLoop) -> None:
        batch, self._waiting = self._waiting[:TOGETHER], self._waiting[TOGETHER:]
        if self._waiting:
            loop.call_soon(self._flush, loop)
        try:
            self._prepare([request for request, _ in batch])
        except Exception as error:  # each is then answered alone, and fails alone if it must
            say(f"{len(batch)} requests are answered one by one: {type(error).__name__}: {error}")
        for _, future in batch:
            if not future.done():  # a client may have gone
                future.set_result(None)
