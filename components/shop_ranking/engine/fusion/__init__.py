"""The ways to fuse the towers into one ranker, by the name params.yaml gives them."""

from collections.abc import Iterator, Mapping
from importlib import import_module

from components.shop_ranking.engine.fusion.interface import Fusion

PLACES = {
    "weighted-average": ("weighted_average", "WeightedAverage"),
    "rank-ensemble": ("rank_ensemble", "RankEnsemble"),
    "stacking": ("stacking", "Stacking"),
    "gated-attention": ("gated_attention", "GatedAttention"),
    "parameter-averaging": ("parameter_averaging", "ParameterAveraging"),
}


class Methods(Mapping[str, type[Fusion]]):
    """Imports a way of fusion when it is asked for, so that a server of LambdaMART has no torch."""

    def __getitem__(self, name: str) -> type[Fusion]:
        module, kind = PLACES[name]
        found: type[Fusion] = getattr(import_module(f"{__name__}.{module}"), kind)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(PLACES)

    def __len__(self) -> int:
        return len(PLACES)

    def __contains__(self, name: object) -> bool:
        return name in PLACES


METHODS = Methods()
