"""Cores of this machine, shared by the stages that run side by side."""

import os


def threads(stages: int) -> int:
    """Return the threads each of so many stages may use at the same time."""
    usable = getattr(os, "sched_getaffinity", None)  # not on macOS
    cores = len(usable(0)) if usable else os.cpu_count() or 1
    return max(1, cores // stages)
