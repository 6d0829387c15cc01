"""Why a version of the registry cannot answer, and whether it may do so later."""

from typing import NamedTuple

from components.platform.errors import AbsentError, RegistryError, StorageError

LONGEST_REASON = 300  # characters


class Refused(NamedTuple):
    """A version that cannot answer, and why."""

    version: str
    reason: str


def refusal(version: str, error: Exception) -> Refused:
    """Return why a version is refused, in one line."""
    return Refused(version, " ".join(str(error).split())[:LONGEST_REASON] or type(error).__name__)


def passes(error: Exception) -> bool:
    """Tell whether it is no fault of the version: the disk or the registry may do better later."""
    away = isinstance(error, RegistryError) and not isinstance(error, AbsentError)
    return away or isinstance(error, StorageError)
