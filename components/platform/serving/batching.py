"""Batching: requests that come at the same moment are made ready together.

Numpy's cost a call is most of the cost of a few hundred rows: the states, features and trees of
eight users together cost less than eight times those of one. Features do not depend on who else
waits (ADR 14). A thread makes them ready while the event loop answers the batch before and takes
new requests. Before that, threads read the words of new queries: the encoder lets go of the
interpreter, so queries are read on one core while another makes a batch ready.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from components.platform.progress import say
from components.platform.serving.activity import Activity

# Requests of one batch: the first of them waits for the last. Capacity only: changes no result.
BATCH_SIZE = 16
# So many do not wait until the queries of others are read. Capacity only: changes no result.
ENOUGH = 4
READERS = 2  # threads. Capacity only: changes no result.
Request = TypeVar("Request")
Batch = list[tuple[Request, asyncio.Future[None]]]


class Batching(Generic[Request]):
    """Collects requests while the batch before them is made ready."""

    def __init__(
        self,
        prepare: Callable[[Sequence[Request]], None],
        reading: Callable[[Request], Callable[[], object] | None],
        activity: Activity,
    ) -> None:
        """Both leave in caches what answering the requests needs.

        Args:
            prepare: makes what several requests need together.
            reading: returns what reads a request's words, None where there is nothing to read.
            activity: notes when requests come.

        """
        self._prepare, self._reading, self._activity = prepare, reading, activity
        self._readers = ThreadPoolExecutor(READERS, "read")
        self._unread = 0  # requests whose words are being read
        self._preparing = ThreadPoolExecutor(1, "prepare")
        self._queued: Batch[Request] = []
        self._busy = False  # a batch is made ready, or is about to be

    async def ready(self, request: Request) -> None:
        """Return once the request can be answered from what is kept."""
        loop = asyncio.get_running_loop()
        self._activity.begin()
        try:
            await self._read(request, loop)
            future: asyncio.Future[None] = loop.create_future()
            self._queued.append((request, future))
            self._flush_soon(loop)
            await future
        finally:
            self._activity.end()

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
        if self._busy or not self._queued:
            return
        if not self._unread or len(self._queued) >= ENOUGH:
            self._busy = True
            loop.call_soon(self._flush, loop)

    def _flush(self, loop: asyncio.AbstractEventLoop) -> None:
        batch, self._queued = self._queued[:BATCH_SIZE], self._queued[BATCH_SIZE:]
        prepared = loop.run_in_executor(
            self._preparing, self._prepare, [request for request, _ in batch]
        )
        prepared.add_done_callback(lambda made: self._release(loop, batch, made.exception()))

    def _release(
        self, loop: asyncio.AbstractEventLoop, batch: Batch[Request], error: BaseException | None
    ) -> None:
        self._busy = False
        self._flush_soon(loop)  # the next batch is made ready while these are answered
        if error is not None:  # each is then answered alone, and fails alone if it must
            say(f"{len(batch)} requests are answered one by one: {type(error).__name__}: {error}")
        for _, future in batch:
            if not future.done():  # a client may have gone
                future.set_result(None)
