"""Waiting for something to happen, at most so long."""

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")
FIRST_PAUSE, LONGEST_PAUSE = 0.01, 0.5  # seconds between looks: short waits stay short


def wait_until(
    condition: Callable[[], Value],
    what: str | Callable[[], str],
    seconds: float = 60.0,
    unless: Callable[[], object] = lambda: False,
    passing: type[Exception] | tuple[type[Exception], ...] = (),
) -> Value:
    """Return what `condition` returns as soon as that is true.

    Args:
        condition: asked again and again.
        what: what is waited for, or what says it once it has not come, such as a log.
        seconds: to wait at most.
        unless: gives up at once when it is true, such as a process that has ended.
        passing: what `condition` raises while it is too early.

    Raises:
        AssertionError: it did not come in time, or never will.

    """
    deadline = time.monotonic() + seconds
    pause, refused = FIRST_PAUSE, None
    while True:
        try:
            if value := condition():
                return value
        except passing as error:
            refused = error
        if unless() or time.monotonic() > deadline:
            said = what if isinstance(what, str) else what()
            raise AssertionError(f"expected within {seconds:g} s: {said}") from refused
        time.sleep(pause)
        pause = min(1.5 * pause, LONGEST_PAUSE)
