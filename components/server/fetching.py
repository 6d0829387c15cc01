"""A version of the registry as files here, and why one was refused."""

from pathlib import Path
from typing import NamedTuple

from components.platform import tracking
from components.platform.errors import AbsentError, RegistryError, StorageError
from components.platform.tracking import Version
from components.shop_ranking.serving.champion import Packages

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


def called(version: Version) -> str:
    """Return the name under which a version answers, e.g. fused-ranker/3."""
    return f"{version.name}/{version.version}"


def fetch(version: Version, folder: Path) -> Packages:
    """Download a version and the towers it was made of.

    Raises:
        AbsentError: the registry lacks a part; asking again does not help.
        RegistryError: the registry does not answer.

    """
    towers = {
        name: tracking.download(f"models:/{parent}", folder / name)
        for name in ("text", "image")
        if (parent := version.tags.get(f"parent_{name}"))
    }
    return Packages(
        version=called(version),
        ranker=tracking.download(f"models:/{called(version)}", folder / "ranker"),
        text=towers.get("text"),
        image=towers.get("image"),
    )
