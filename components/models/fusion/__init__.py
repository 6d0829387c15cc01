"""The ways to fuse the towers into one ranker, by the name params.yaml gives them."""

from components.models.fusion.gated_attention import GatedAttention
from components.models.fusion.interface import Fusion
from components.models.fusion.parameter_averaging import ParameterAveraging
from components.models.fusion.rank_ensemble import RankEnsemble
from components.models.fusion.stacking import Stacking
from components.models.fusion.weighted_average import WeightedAverage

METHODS: dict[str, type[Fusion]] = {
    way.name: way
    for way in (WeightedAverage, RankEnsemble, Stacking, GatedAttention, ParameterAveraging)
}
