"""Progress of long work: a bar on a terminal, plain lines in a task log."""

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

Item = TypeVar("Item")
SECONDS_BETWEEN_LINES = 10.0


def say(message: str) -> None:
    """Print one line at once (task logs are read while the task runs)."""
    print(message, flush=True)


def track(items: Iterable[Item], description: str, total: int | None = None) -> Iterator[Item]:
    """Yield `items`, showing how far the work is."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    if sys.stderr.isatty():
        from rich.progress import track as bar

        yield from bar(items, description=description, total=total)
        return
    started = last = time.monotonic()
    done = 0
    for done, item in enumerate(items, start=1):
        yield item
        if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            say(f"{description}: {done}/{total or '?'} after {last - started:.0f} s")
    say(f"{description}: done, {done} in {time.monotonic() - started:.1f} s")
