"""The routes of all applications in one server, of which no two may be the same."""

import re
from collections.abc import Iterator, Mapping, Sequence

from fastapi import APIRouter
from starlette.routing import BaseRoute

from components.platform.errors import ServiceError

PLACEHOLDER = re.compile(r"{[^}:]*")  # the name in {name} or {name:path} tells no routes apart


def check_routes(routers: Mapping[str, Sequence[APIRouter]]) -> None:
    """Raise where two owners have a route of the same method and path.

    Args:
        routers: those of each owner, by its name.

    Raises:
        ServiceError: two have; the message names both.

    """
    owners: dict[tuple[str, str], str] = {}
    for owner, own in routers.items():
        for method, path in {key for router in own for key in _keys(router.routes)}:
            other = owners.setdefault((method, PLACEHOLDER.sub("{", path)), owner)
            if other != owner:
                raise ServiceError(
                    f"one owner of the route {method} {path}",
                    f"two: {other} and {owner}",
                    "rename the route in one of them",
                )


def _keys(routes: Sequence[BaseRoute]) -> Iterator[tuple[str, str]]:
    for route in routes:
        path = getattr(route, "path", "")
        for method in getattr(route, "methods", None) or {"ANY"}:
            yield method, path
