"""What every section of params.yaml is made of."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A group of params; unknown keys are refused so that a typing slip is not silence."""

    model_config = ConfigDict(frozen=True, extra="forbid")
