"""Progress of long work: a bar on a terminal, plain lines in a task log, and what runs just now."""

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from threading import Lock
from typing import TypeVar

Item = TypeVar("Item")
SECONDS_BETWEEN_LINES = 10.0  # Capacity only: changes no result.
_lock = Lock()
_running: list[str] = []  # labels of the parts that run, the outer before the inner
_seconds: dict[str, float] = {}  # by part, of those that are done


def say(message: str) -> None:
    """Print one line at once (task logs are read while the task runs)."""
    print(message, flush=True)


@contextmanager
def part(name: str, number: int | None = None, of: int | None = None) -> Iterator[None]:
    """Name what runs inside the block, `number` `of` so many; how long it took is kept by `name`.

    The stage's heartbeat shows it. A part may lie in another one.
    """
    label = f"{name} ({number} of {of})" if number and of else name
    started = time.monotonic()
    with _lock:
        _running.append(label)
    try:
        yield
    finally:
        with _lock:
            _running.remove(label)
            _seconds[name] = _seconds.get(name, 0.0) + time.monotonic() - started


def running_part() -> str:
    """Return what runs just now, from the outer part to the inner; empty where no part is named."""
    with _lock:
        return ", ".join(_running)


def seconds_by_part() -> dict[str, float]:
    """Return how many seconds each part that is done has taken in this process."""
    with _lock:
        return dict(_seconds)


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
