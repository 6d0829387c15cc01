"""Loops that numpy has no call for, as machine code (numba), kept once a machine and code version.

numba itself keeps machine code beside a module, so that every copy of the code (the workspace of
each run) would compile anew, and it looks at the function's own file alone. Here the code is named
by what it is made of: the function, the compiled functions that it calls, the constants that it
reads and the fields of named tuples. That is read off what was imported, never off the files, which
may have been edited since. Copies share it, and whatever of that changes is compiled again.
"""

import fcntl
import hashlib
import inspect
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, ClassVar, TypeVar

import numba
import numpy as np
from numba.core.caching import (
    CompileResultCacheImpl,
    FunctionCache,
    InTreeCacheLocator,
    NullCache,
)
from numba.core.dispatcher import Dispatcher
from numba.core.types import BaseTuple

Loop = TypeVar("Loop", bound=Callable[..., Any])


def compiled(loop: Loop) -> Loop:
    """Compile a function when it is first called; it lets go of the interpreter.

    That is while a champion warms up, or when a stage begins: about a second for each function,
    and a hundredth of that wherever `compiled_folder` has the code already.
    """
    function: Loop = _kept(numba.njit(nogil=True, error_model="numpy")(loop))
    return function


def compiled_sums(loop: Loop) -> Loop:
    """Compile a function whose sums may be added up in any order, 8 or 16 terms at a time.

    The order is the code's, so it is the same at every call.
    """
    fastmath = {"reassoc", "contract"}
    function: Loop = _kept(numba.njit(nogil=True, error_model="numpy", fastmath=fastmath)(loop))
    return function


def compiled_folder() -> Path:
    """Return where machine code is kept: NUMBA_CACHE_DIR, or in the user's cache.

    It may be deleted at any time.
    """
    own = os.environ.get("NUMBA_CACHE_DIR")
    users = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(own) if own else Path(users) / "shopfusion" / "compiled"


def _kept(function: Any) -> Any:
    function._cache = _OnDisk(function)  # noqa: SLF001 - numba names it nowhere else
    return function


class _OnDisk(NullCache):
    """The machine code of a function; a full disk, a torn file or no place at all is no fault.

    numba would raise what reading and writing raises, to whoever calls the function first. It opens
    its cache when a function is defined, before those that are defined below it exist.
    """

    def __init__(self, function: Any) -> None:
        self._function = function

    @cached_property
    def _files(self) -> Any:
        return _Files(self._function)

    @property
    def cache_path(self) -> str:
        """The folder, for numba's statistics."""
        return str(compiled_folder())

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the code for arguments of these types; None where it is to be compiled."""
        with suppress(Exception):
            return self._files.load_overload(sig, target_context)
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep code; of processes that compile at the same moment one writes after the other."""
        with suppress(Exception), _alone(compiled_folder()):
            self._files.save_overload(sig, data)


class _Files(FunctionCache):
    """numba's own files, named by content; it hands the function itself to its locator."""

    def __init__(self, function: Any) -> None:
        class Locator(_ByContent):
            digest = content(function)

        class Named(CompileResultCacheImpl):
            _locator_classes: list[type[object]] = [Locator]  # noqa: RUF012 - as numba has it

        self._impl_class = Named
        super().__init__(function.py_func)

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        """Return numba's key and the fields of the arguments: numba tells by their class alone."""
        return super()._index_key(sig, codegen), repr(_fields(sig))


class _ByContent(InTreeCacheLocator):
    """Names files by the content of a function, wherever its module lies."""

    digest: ClassVar[str]

    def get_cache_path(self) -> str:
        """Return the folder."""
        return str(compiled_folder())

    def get_source_stamp(self) -> str:
        """Return what the code in a file has to be made of."""
        return self.digest

    def get_disambiguator(self) -> str:
        """Return what tells this function from others of its name."""
        return self.digest[:32]


def content(function: Any) -> str:
    """Return a digest of a compiled function and of all that is compiled into it.

    That is its bytecode and options, the compiled functions that it calls, and the values of
    globals and of variables around it, which numba takes for constants.
    """
    return _content(function, frozenset())


def _content(function: Any, callers: frozenset[Any]) -> str:
    loop = function.py_func
    whole = hashlib.sha256(_text(loop.__code__).encode())
    whole.update(_text((loop.__defaults__, function.targetoptions)).encode())
    around = inspect.getclosurevars(loop).nonlocals
    for name in sorted(set(_names(loop.__code__)) | set(around)):
        value = around.get(name, loop.__globals__.get(name))
        if isinstance(value, Dispatcher):
            known = value is function or value in callers
            text = name if known else _content(value, callers | {function})
        else:
            text = _text(value)
        whole.update(f"{name} = {text}\n".encode())
    return whole.hexdigest()


def _text(value: Any) -> str:
    """Return the same text for equal constants in every process."""
    match value:
        case CodeType():  # neither file nor lines, which differ from copy to copy
            taken = (value.co_argcount, value.co_kwonlyargcount, value.co_flags)
            names = (value.co_varnames, value.co_names, value.co_freevars, value.co_cellvars)
            text = f"{value.co_code.hex()} {taken} {names} {_text(value.co_consts)}"
        case tuple():
            text = f"{_text(type(value))} {[_text(part) for part in value]}"
        case type():
            text = f"{value!r} {getattr(value, '_fields', '')}"
        case ModuleType():
            text = f"{value.__name__} {getattr(value, '__version__', '')}"
        case np.ndarray():
            text = f"{value.dtype} {value.shape} {hashlib.sha256(value.tobytes()).hexdigest()}"
        case dict():
            text = str(sorted((_text(name), _text(inner)) for name, inner in value.items()))
        case set() | frozenset():
            text = str(sorted(map(_text, value)))
        case _:
            text = repr(value)
    return text


def _fields(arguments: Iterable[Any]) -> list[Any]:
    """Return the fields of the named tuples among numba's types of arguments, inner ones too."""
    tuples: list[Any] = [kind for kind in arguments if isinstance(kind, BaseTuple)]
    return [(getattr(kind, "fields", ()), _fields(kind.types)) for kind in tuples]


def _names(code: CodeType) -> Iterator[str]:
    """Yield the names that a function looks up, those inside its comprehensions as well."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock: numba numbers its files by an index that it reads and writes."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
