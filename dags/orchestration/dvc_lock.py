"""DVC's lock of a workspace, which one of the stages that run side by side holds at a time.

DVC takes it to compare a stage with its inputs and to keep its outputs, not while the stage works.
"""

import fcntl
import re
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

LOCK = Path(".dvc/tmp/lock")
# The stage has not begun: DVC prints this line first.
BEGUN = re.compile(r"^Running stage ")
# Another process reads or writes the same files, or the lock was not to be had.
BUSY = re.compile(r" is busy, it is being blocked by:|Unable to acquire lock")


def lock_owner(workspace: Path) -> int | None:
    """Return the process that owns a workspace's lock; None where nobody does.

    DVC leaves the last owner's id in the file. So the lock itself is tried, as one of many
    readers, and given back at once: those that wait for it try again twice a second.
    """
    try:
        with (workspace / LOCK).open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read() or 0)
    except (FileNotFoundError, ValueError):
        return None  # nobody ever took it, or its owner changes at this moment
    return None


@dataclass
class LockWait:
    """How long a process of DVC has been blocked by the lock, by looking at it now and then.

    Args:
        workspace: folder of the DVC repository.
        process: id of the process of DVC.

    """

    workspace: Path
    process: int
    since: float | None = None  # time.monotonic() when it was first seen blocked

    def look(self) -> tuple[float, int] | None:
        """Return the seconds it has waited and the lock's owner; None where it does not wait.

        A process with a child is one whose stage works.
        """
        owner = lock_owner(self.workspace)
        if owner in (None, self.process) or self._works():
            self.since = None
            return None
        now = time.monotonic()
        self.since = self.since or now
        assert owner is not None
        return now - self.since, owner

    def _works(self) -> bool:
        try:
            return bool(psutil.Process(self.process).children())
        except psutil.NoSuchProcess:
            return True  # it has just ended


def described(process: int) -> str:
    """Return a process's id and command for a line of a log."""
    try:
        command = " ".join(" ".join(psutil.Process(process).cmdline()).split())
        return f"process {process} ({command})"
    except psutil.Error:
        return f"process {process}"
