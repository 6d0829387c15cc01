"""Requests that wait at the same moment are made ready in one batch.

Numpy's cost a call is most of the cost of a few hundred rows: the states, features and trees of
eight shoppers together cost less than eight times those of one. Features do not depend on who else
waits (ADR 14). Before that, threads read the words of new queries: the encoder lets go of the
interpreter, so queries are read on one core while another makes a batch ready.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from components.platform.progress import say
from components.shop_ranking.serving.api import RecommendRequest, SearchRequest

TOGETHER = 16  # requests of one batch: the first of them waits for the last
ENOUGH = 4  # so many do not wait until the queries of others are read
READERS = 2  # threads
PAUSE_SECONDS = 0.02  # so long nobody has asked when what can wait is done
Request = RecommendRequest | SearchRequest


class Waiting:
    """Collects requests until the event loop has read all that have arrived."""

    def __init__(
        self,
        prepare: Callable[[Sequence[Request]], None],
        reading: Callable[[Request], Callable[[], object] | None],
    ) -> None:
        """Both leave in caches what answering the requests needs.

        Args:
            prepare: makes what several requests need together.
            reading: returns what reads a request's words, None where there is nothing to read.

        """
        self._prepare, self._reading = prepare, reading
        self._readers = ThreadPoolExecutor(READERS, "read")
        self._inside = 0  # requests that are not ready yet
        self._unread = 0  # requests whose words are being read
        self._waiting: list[tuple[Request, asyncio.Future[None]]] = []
        self._due = False  # the event loop is about to flush
        self._asked = float("-inf")  # when the last request came

    def idle_seconds(self) -> float:
        """Return for how long no request has come; 0 while one waits to be ready."""
        return 0.0 if self._inside else time.monotonic() - self._asked

    def asked(self) -> None:
        """Note that a request is answered, by whichever way it came."""
        self._asked = time.monotonic()

    async def ready(self, request: Request) -> None:
        """Return once the request can be answered from what is kept."""
        self.asked()
        loop = asyncio.get_running_loop()
        self._inside += 1
        try:
            await self._read(request, loop)
            future: asyncio.Future[None] = loop.create_future()
            self._waiting.append((request, future))
            self._flush_soon(loop)
            await future
        finally:
            self._inside -= 1

    async def _read(self, request: Request, loop: asyncio.AbstractEventLoop) -> None:
        self._unread += 1
        try:
            if (read := self._reading(request)) is not None:
                await loop.run_in_executor(self._readers, read)
        except Exception:  # noqa: S110 - whatever it is, it happens again to the batch or the answer
            pass
        finally:  # also where the client has gone: nobody else may wait for this one
            self._unread -= 1
            self._flush_soon(loop)

    def _flush_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._waiting and not self._due and (not self._unread or len(self._waiting) >= ENOUGH):
            self._due = True
            loop.call_soon(self._flush, loop)

    def _flush(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = False
        batch, self._waiting = self._waiting[:TOGETHER], self._waiting[TOGETHER:]
        self._flush_soon(loop)
        try:
            self._prepare([request for request, _ in batch])
        except Exception as error:  # each is then answered alone, and fails alone if it must
            say(f"{len(batch)} requests are answered one by one: {type(error).__name__}: {error}")
        for _, future in batch:
            if not future.done():  # a client may have gone
                future.set_result(None)
