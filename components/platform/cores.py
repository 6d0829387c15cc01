"""The cores that this process may use."""

import os


def usable_cores() -> int:
    """Return how many there are: a container or a scheduler may grant fewer than the machine has.

    How work is shared among them changes no result.
    """
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS
    return len(affinity(0)) if affinity else os.cpu_count() or 1
