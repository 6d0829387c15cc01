"""A version of the registry as files here: the leading model and the parts it was made of."""

from pathlib import Path

from components.platform import tracking
from components.platform.application import Application, Packages
from components.platform.tracking import Version


def called(version: Version) -> str:
    """Return the name under which a version answers, e.g. greeter/3."""
    return f"{version.name}/{version.version}"


def parent_tag(key: str) -> str:
    """Return the tag of a leading version that names its part, e.g. voice/2."""
    return f"parent_{key}"


def fetch(application: Application, version: Version, folder: Path) -> Packages:
    """Download a version and the parts it was made of.

    Raises:
        AbsentError: the registry lacks a part; asking again does not help.
        RegistryError: the registry does not answer.

    """
    folders = {
        part.key: tracking.download(f"models:/{parent}", folder / part.key)
        for part in application.parts
        if part.served and (parent := version.tags.get(parent_tag(part.key)))
    }
    leading = application.leading.key
    folders[leading] = tracking.download(f"models:/{called(version)}", folder / leading)
    return Packages(called(version), folders)
