"""The params of shop ranking: data, towers, fusion, evaluation, serving."""

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import create_model

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
from components.shop_ranking.towers import TOWERS

if TYPE_CHECKING:
    from components.shop_ranking.towers.behaviour import BehaviourParams
    from components.shop_ranking.towers.image import ImageParams
    from components.shop_ranking.towers.text import TextParams

__all__ = [
    "AdsParams",
    "BaselineName",
    "BaselineParams",
    "DataParams",
    "Dataset",
    "EvaluationParams",
    "FusionMethod",
    "FusionParams",
    "Params",
    "PreparationParams",
    "SearchParams",
    "ServingParams",
    "SimulationParams",
    "TargetEvent",
    "load_params",
]


class _Params(shared.Params):
    """What shop ranking has of params.yaml, but for its towers."""

    data: DataParams = DataParams()
    preparation: PreparationParams = PreparationParams()
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


if TYPE_CHECKING:

    class Params(_Params):
        """What shop ranking has of params.yaml."""

        behaviour: BehaviourParams
        text: TextParams
        image: ImageParams

else:
    Params = create_model(
        "Params",
        __base__=_Params,
        __module__=__name__,
        __doc__="What shop ranking has of params.yaml.",
        **{name: (tower.params, tower.params()) for name, tower in TOWERS.items()},
    )


def load_params(path: Path = shared.PARAMS) -> Params:
    """Read and check params.yaml where shop ranking is the only application.

    Raises:
        ParamsError: the file is absent, is not YAML, has an unknown key or a value out of range.

    """
    return shared.load_params(Params, path)
