"""The registry policy of mlflow/registry.yaml: registered names, aliases and the gate's margins."""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from components.platform.errors import RegistryError
from components.shop_ranking.pipeline import POLICY

Margin = Annotated[float, Field(ge=0, le=1)]  # share of the reference's value


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Names(_Section):
    """Registered model of each part."""

    fused: str
    behaviour: str
    text: str
    image: str


class Aliases(_Section):
    """Names of the three moving pointers."""

    challenger: str
    champion: str
    previous: str


class Primary(_Section):
    """A line on which the challenger must not be worse, and on one of which it must be better."""

    view: Literal["all", "repeat", "novel"]
    metric: Literal["ndcg", "recall", "hit_rate", "mrr"]
    margin: Margin


class Slices(_Section):
    """The metric watched on every slice of every view."""

    metric: Literal["ndcg", "recall", "hit_rate", "mrr"]
    margin: Margin


class Latency(_Section):
    """Median time of one request: never above max_ms, nor far above the champion's."""

    max_ms: float = Field(gt=0)
    margin: float = Field(ge=0)  # share of the champion's time
    noise_ms: float = Field(ge=0)  # a smaller difference says more of the machine than the model


class Gate(_Section):
    """What a challenger must show."""

    confidence: float = Field(gt=0.5, lt=1)
    bootstrap_samples: int = Field(ge=100)
    primary: tuple[Primary, ...] = Field(min_length=1)
    slices: Slices
    coverage_margin: Margin
    popularity_bias_margin: Margin
    latency: Latency


class Policy(_Section):
    """The whole of mlflow/registry.yaml."""

    models: Names
    aliases: Aliases
    gate: Gate


def load_policy(path: Path = POLICY) -> Policy:
    """Read and check the registry policy.

    Raises:
        RegistryError: the file is absent, is not YAML, has an unknown key or a value out of range.

    """
    try:
        values = yaml.safe_load(path.read_text())
        return Policy.model_validate(values)
    except FileNotFoundError as error:
        raise RegistryError(f"the file {path}", "none", "run from the repository root") from error
    except yaml.YAMLError as error:
        raise RegistryError(
            f"YAML in {path}", " ".join(str(error).split()), "correct the file"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "mapping"
        raise RegistryError(
            f"a valid {where} in {path}",
            f"{first.get('input')!r} ({first['msg']})",
            "see the meaning and range of each key in components/platform/registry/policy.py",
        ) from error
