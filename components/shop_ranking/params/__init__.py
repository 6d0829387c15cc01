"""The params of shop ranking: data, towers, fusion, evaluation, serving."""

from pathlib import Path

from components.platform import params as shared
from components.shop_ranking.params.data import (
    DataParams,
    Dataset,
    PreparationParams,
    SimulationParams,
    TargetEvent,
)
from components.shop_ranking.params.fusion import FusionMethod, FusionParams
from components.shop_ranking.params.ranking import BaselineName, BaselineParams, EvaluationParams
from components.shop_ranking.params.serving import AdsParams, SearchParams, ServingParams
from components.shop_ranking.params.towers import BehaviourParams, ImageParams, TextParams

__all__ = [
    "AdsParams",
    "BaselineName",
    "BaselineParams",
    "BehaviourParams",
    "DataParams",
    "Dataset",
    "EvaluationParams",
    "FusionMethod",
    "FusionParams",
    "ImageParams",
    "Params",
    "PreparationParams",
    "SearchParams",
    "ServingParams",
    "SimulationParams",
    "TargetEvent",
    "TextParams",
    "load_params",
]


class Params(shared.Params):
    """What shop ranking has of params.yaml."""

    data: DataParams = DataParams()
    preparation: PreparationParams = PreparationParams()
    behaviour: BehaviourParams = BehaviourParams()
    text: TextParams = TextParams()
    image: ImageParams = ImageParams()
    baselines: BaselineParams = BaselineParams()
    fusion: FusionParams = FusionParams()
    evaluation: EvaluationParams = EvaluationParams()
    serving: ServingParams = ServingParams()
    search: SearchParams = SearchParams()
    ads: AdsParams = AdsParams()

    @property
    def dataset(self) -> str:
        """Name of the data, a tag of runs and versions."""
        return self.data.dataset

    @property
    def simulated(self) -> bool:
        """Tell whether the shoppers are simulated."""
        return self.data.simulated


def load_params(path: Path = shared.PARAMS) -> Params:
    """Read and check params.yaml where shop ranking is the only application.

    Raises:
        ParamsError: the file is absent, is not YAML, has an unknown key or a value out of range.

    """
    return shared.load_params(Params, path)
