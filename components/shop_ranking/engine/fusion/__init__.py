"""The methods that fuse the towers into one ranker, a module each, by name."""

from collections.abc import Iterator, Mapping
from importlib import import_module

from components.shop_ranking import discovery
from components.shop_ranking.engine.fusion.interface import Fusion


class Methods(Mapping[str, type[Fusion]]):
    """Imports a method when it is asked for, so that a server of LambdaMART has no torch.

    The module rank_ensemble holds the class RankEnsemble, whose name is rank-ensemble.
    """

    def __getitem__(self, name: str) -> type[Fusion]:
        stem = discovery.METHODS[name]
        method: type[Fusion] = getattr(
            import_module(f"{__name__}.{stem}"), stem.title().replace("_", "")
        )
        return method

    def __iter__(self) -> Iterator[str]:
        return iter(discovery.METHODS)

    def __len__(self) -> int:
        return len(discovery.METHODS)

    def __contains__(self, name: object) -> bool:
        return name in discovery.METHODS


METHODS = Methods()
