"""Types, ranges and meanings of params.yaml: everything that may change a result, and only that."""

from pathlib import Path

import yaml
from pydantic import Field, ValidationError

from components.platform.errors import ParamsError
from components.platform.params.loop import DriftParams, FeedbackParams, ServingParams
from components.platform.params.section import Section, Share
from components.shop_ranking.params.data import (
    DataParams,
    Dataset,
    PreparationParams,
    SimulationParams,
    TargetEvent,
)
from components.shop_ranking.params.fusion import FusionMethod, FusionParams
from components.shop_ranking.params.ranking import BaselineName, BaselineParams, EvaluationParams
from components.shop_ranking.params.towers import BehaviourParams, ImageParams, TextParams

__all__ = [
    "BaselineName",
    "BaselineParams",
    "BehaviourParams",
    "DataParams",
    "Dataset",
    "DriftParams",
    "EvaluationParams",
    "FeedbackParams",
    "FusionMethod",
    "FusionParams",
    "ImageParams",
    "Params",
    "PreparationParams",
    "Section",
    "ServingParams",
    "Share",
    "SimulationParams",
    "TargetEvent",
    "TextParams",
    "load_params",
]


class Params(Section):
    """The whole of params.yaml."""

    seed: int = Field(0, ge=0, description="Seed of every random choice")
    data: DataParams = DataParams()
    preparation: PreparationParams = PreparationParams()
    behaviour: BehaviourParams = BehaviourParams()
    text: TextParams = TextParams()
    image: ImageParams = ImageParams()
    baselines: BaselineParams = BaselineParams()
    fusion: FusionParams = FusionParams()
    evaluation: EvaluationParams = EvaluationParams()
    feedback: FeedbackParams = FeedbackParams()
    serving: ServingParams = ServingParams()
    drift: DriftParams = DriftParams()


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check params.yaml.

    Raises:
        ParamsError: the file is absent, is not YAML, has an unknown key or a value out of range.

    """
    try:
        values = yaml.safe_load(path.read_text()) or {}
    except FileNotFoundError as error:
        raise ParamsError(f"the file {path}", "none", "run from the repository root") from error
    except yaml.YAMLError as error:
        raise ParamsError(
            f"YAML in {path}", " ".join(str(error).split()), "correct the file"
        ) from error
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ParamsError(
            f"a valid {where} in {path}",
            f"{first.get('input')!r} ({first['msg']})",
            "see the meaning and range of each param in components/shop_ranking/params/",
        ) from error
