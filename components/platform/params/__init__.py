"""Types, ranges and meanings of params.yaml: everything that may change a result, and only that.

Here stand the params that every application has; each application adds its own sections.
"""

from collections.abc import Collection
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import Field, ValidationError

from components.platform.errors import ParamsError
from components.platform.params.loop import DriftParams, FeedbackParams
from components.platform.params.section import Section, Share
from components.platform.params.training import ScheduleParams, WhiteningParams

__all__ = [
    "PARAMS",
    "DriftParams",
    "FeedbackParams",
    "Params",
    "ScheduleParams",
    "Section",
    "Share",
    "WhiteningParams",
    "load_params",
]

PARAMS = Path("params.yaml")


class Params(Section):
    """What every application has of params.yaml."""

    seed: int = Field(0, ge=0, description="Seed of every random choice")
    feedback: FeedbackParams = FeedbackParams()
    drift: DriftParams = DriftParams()

    @property
    def dataset(self) -> str:
        """Name of the data, a tag of runs and versions."""
        return "none"

    @property
    def simulated(self) -> bool:
        """Tell whether the users in the data are simulated."""
        return False


Kind = TypeVar("Kind", bound=Params)


def load_params(
    kind: type[Kind], path: Path = PARAMS, others: Collection[str] = frozenset()
) -> Kind:
    """Read and check params.yaml.

    Args:
        kind: the params of one application.
        path: the file.
        others: sections that belong to other applications; they are passed over.

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
    if isinstance(values, dict):
        foreign = set(others) - set(kind.model_fields)
        values = {name: value for name, value in values.items() if name not in foreign}
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ParamsError(
            f"a valid {where} in {path}",
            f"{first.get('input')!r} ({first['msg']})",
            "see the meaning and range of each param in components/*/params/",
        ) from error
