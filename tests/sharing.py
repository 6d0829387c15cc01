"""What is made once for all processes of a test run: whoever needs it first makes it."""

import fcntl
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

Value = TypeVar("Value")


def made_once(folders: pytest.TempPathFactory, name: str, make: Callable[[Path], Value]) -> Value:
    """Return what `make` returned in the first process that asked for `name`.

    It writes its files into the folder that it is given; what it returns must be picklable.
    """
    root = folders.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # the run's; below it lies one of each process
    folder = root / f"shared-{name}"
    folder.mkdir(exist_ok=True)
    kept = folder / "returned.pickle"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            value = make(folder)
            kept.write_bytes(pickle.dumps(value))
        return pickle.loads(kept.read_bytes())
