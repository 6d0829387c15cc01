"""The towers of shop ranking: each module of this folder that defines TOWER adds one.

Pipeline, params, features, candidates, fusion, registration, serving, explanations and drift
iterate over TOWERS, so a new tower is one new module here, the module that trains it, and its
stage in dvc.yaml.
"""

from collections.abc import Mapping
from types import MappingProxyType

from components.shop_ranking.discovery import registered
from components.shop_ranking.towers.registration import Queries, Tower

TOWERS: Mapping[str, Tower] = MappingProxyType(
    {tower.name: tower for tower in registered(__name__, "TOWER")}
)


def reading(queries: Queries) -> str | None:
    """Return the tower whose encoder reads queries of a kind, of several the first of TOWERS.

    None where there is none: nothing is searched by such queries.
    """
    return next((name for name, tower in TOWERS.items() if tower.queries == queries), None)
