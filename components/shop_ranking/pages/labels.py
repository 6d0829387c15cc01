"""What has to be said plainly on every page: what is simulated, what is drawn, whose time it is."""

from datetime import datetime
from functools import lru_cache

from components.platform import tracking
from components.platform.errors import RegistryError
from components.shop_ranking.serving.service import Service

SIMULATED = "Simulated data: no real shopper is behind these numbers."
RENDERED = "Pictures are rendered from product attributes; they are not photographs."


def labels(service: Service, version: str | None, now: datetime | None) -> tuple[str, ...]:
    """Return the labels of the champion `version`, and the time where it is not the real one."""
    said = list(_of_data(service, version))
    if service.clock.mode == "data" and now is not None:
        said.append(f"Shop time {now:%A, %-d %B %Y, %H:%M} UTC: a replay of the past.")
    return tuple(said)


def _of_data(service: Service, version: str | None) -> tuple[str, ...]:
    """Return what the registered version says of its data; what params.yaml says without one."""
    if version is None:
        return ()
    try:
        tags = _tags(service.models.policy.leading, version)
    except RegistryError:
        tags = None
    if tags is None:
        return service.params.data.labels
    simulated, pictures = tags
    return (SIMULATED,) * (simulated == "true") + (RENDERED,) * (pictures == "rendered")


@lru_cache(maxsize=16)
def _tags(name: str, version: str) -> tuple[str, str] | None:
    """Return the tags simulated and pictures; None for a version the registry does not know."""
    if not version.startswith(f"{name}/"):
        return None
    registered = tracking.version(name, version.removeprefix(f"{name}/"))
    return registered.tags.get("simulated", ""), registered.tags.get("pictures", "")
