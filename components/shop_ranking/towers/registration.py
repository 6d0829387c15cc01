"""What a tower says of itself: all that the rest of shop ranking has to know of it."""

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from components.platform.params import ScheduleParams, Section, WhiteningParams

Queries = Literal["words", "pictures"]

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]
    Encode = Callable[["Unencoded"], tuple[Floats, Floats]]


class TowerParams(Section):
    """What every tower has."""

    reuse: str | None = Field(
        None, description="Tower to take instead of training: models:/name/version or a folder"
    )
    start_from: str | None = Field(
        None, description="Tower to go on training from: models:/name/version or a folder"
    )
    weight_decay: float = Field(0.01, ge=0, le=10, description="Decoupled weight decay of AdamW")
    schedule: ScheduleParams = ScheduleParams()


class ContentTowerParams(TowerParams):
    """What the towers of texts and pictures have."""

    start_share: float = Field(
        0.25, gt=0, le=1, description="Share of the steps that a start from a tower takes"
    )
    half_life_days: float = Field(
        45.0, gt=0, description="Age at which an event counts half in a shopper's vector"
    )
    whitening: WhiteningParams = WhiteningParams()


@dataclass(frozen=True)
class Unencoded:
    """Items and shoppers of another preparation, which a registered tower shall encode."""

    package: Path  # the tower as it was registered
    prepared: Path
    cut: str
    known_ID: "Floats"  # vectors of the items that the tower knows; NaN rows elsewhere
    new: "npt.NDArray[np.int64]"  # rows of the items that it does not know, ascending
    half_life_days: float | None


@dataclass(frozen=True)
class Tower:
    """One tower.

    `train` is the module of its stage, with `run(params, prepared, tower)`, which writes
    <cut>/item_vectors.npy and <cut>/user_vectors.npy for every cut, and tower.json. `encode` names
    a function as "module:function": it takes an Unencoded and returns vectors of shoppers (U, D)
    and items (I, D). Both are names, so that reading the registrations loads no library.
    """

    name: str
    params: type[TowerParams]
    train: str
    encode: str
    reason: str  # why an item is shown beside {title}, an item of the shopper's history
    # Of the tower's params: days after which an event counts half in a shopper's vector, which is
    # the mean of the vectors of the shopper's items. None: shoppers have vectors of another kind.
    half_life: Callable[[Any], float] | None = None
    queries: Queries | None = None  # what its encoder reads in a search
    place: int = 100  # among the towers: where its features and candidates stand

    @property
    def stage(self) -> str:
        """Name of the stage that trains it."""
        return f"{self.name}_pretraining"

    @property
    def folder(self) -> Path:
        """Folder that its stage writes."""
        return Path("models") / self.name

    @property
    def profiles(self) -> bool:
        """Tell whether a shopper's vector is the mean of the vectors of items: of content."""
        return self.half_life is not None

    def half_life_days(self, params: Any) -> float | None:
        """Return the half-life that the application's params give it; None without one."""
        return self.half_life(getattr(params, self.name)) if self.half_life else None

    def encoder(self) -> "Encode":
        """Import the function that encodes new items and shoppers."""
        encode: Encode = pkgutil.resolve_name(self.encode)
        return encode
