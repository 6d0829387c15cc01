"""Loops that numpy has no call for, as machine code (numba)."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import numba

Loop = TypeVar("Loop", bound=Callable[..., Any])


def compiled(loop: Loop) -> Loop:
    """Compile a function when it is first called; it lets go of the interpreter.

    That is while a champion warms up. The code is kept beside the module (`__pycache__`, or in
    NUMBA_CACHE_DIR), so that only the first start after a change takes the second.
    """
    found: Loop = _kept(numba.njit(nogil=True, error_model="numpy")(loop))
    return found


def compiled_sums(loop: Loop) -> Loop:
    """Compile a function whose sums may be added up in any order, 8 or 16 terms at a time.

    The order is the code's, so it is the same at every call.
    """
    fastmath = {"reassoc", "contract"}
    found: Loop = _kept(numba.njit(nogil=True, error_model="numpy", fastmath=fastmath)(loop))
    return found


def _kept(made: Any) -> Any:
    """Let the code be kept on disk where that can be done; a full disk or a torn file is no fault.

    numba itself raises what reading and writing raises, to whoever calls the function first.
    """
    with suppress(RuntimeError):  # nowhere to write it: compiled at every start
        made.enable_caching()
    cache = made._cache  # noqa: SLF001 - numba names it nowhere else
    cache.load_overload = _or_none(cache.load_overload)
    cache.save_overload = _or_none(cache.save_overload)
    return made


def _or_none(method: Callable[..., Any]) -> Callable[..., Any]:
    def call(*given: Any) -> Any:
        with suppress(Exception):
            return method(*given)
        return None

    return call
