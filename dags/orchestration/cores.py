"""Cores of this machine, shared by the stages that run side by side."""

from components.platform.cores import usable_cores


def threads(stages: int) -> int:
    """Return the threads each of so many stages may use at the same time."""
    return max(1, usable_cores() // stages)
