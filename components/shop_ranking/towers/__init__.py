"""The towers of shop ranking: each module of this folder that defines TOWER adds one.

Pipeline, params, features, candidates, fusion, registration, serving, explanations and drift
iterate over TOWERS, so a new tower is one new module here, the module that trains it, and its
stage in dvc.yaml.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

from components.platform.errors import ModelError
from components.shop_ranking.towers.registration import Queries, Tower


def _registered() -> Mapping[str, Tower]:
    modules = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))
    registered = [
        module.TOWER
        for module in (import_module(f"{__name__}.{stem}") for stem in modules)
        if hasattr(module, "TOWER")
    ]
    return {tower.name: tower for tower in sorted(registered, key=lambda t: (t.place, t.name))}


TOWERS: Mapping[str, Tower] = MappingProxyType(_registered())  # name -> tower


def reading(queries: Queries) -> str:
    """Return the tower whose encoder reads queries of a kind; of several the first of TOWERS.

    Raises:
        ModelError: there is none.

    """
    for name, tower in TOWERS.items():
        if tower.queries == queries:
            return name
    raise ModelError(f"a tower that reads {queries}", "none", f"register one in {__name__}")
