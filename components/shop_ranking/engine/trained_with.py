"""What a training used and whoever answers with its model has to use too: it travels in a package.

Serving, champion ranking and drift read it there, never in the params of their own run.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from components.platform.errors import LayoutError, ModelError
from components.shop_ranking.params.fusion import IndexParams, RowParams
from components.shop_ranking.towers import TOWERS

if TYPE_CHECKING:
    from components.shop_ranking.params import Params

LAYOUT = 3  # of a fused package; raise it when a package written before can no longer be read
FILE = "chosen.json"
REMEDY = "train the fusion again"


@dataclass(frozen=True)
class TrainedWith:
    """Values of params.yaml that a fused model stands on."""

    new_candidates: int  # items never bought before that each source proposes a shopper
    bought_candidates: int  # items bought before that are proposed
    category_items: int  # most popular items of a category that are looked through
    index: IndexParams  # how the nearest items of a shopper's vector are found
    rows: RowParams  # what the features of a row are made with
    session_gap_minutes: float  # a pause this long starts a session where none is named
    half_life_days: Mapping[str, float]  # content tower -> age at which an event counts half
    history_half_life_items: float  # the n-th latest item of a stranger counts 2^(-n / this)

    @classmethod
    def of(cls, params: "Params") -> "TrainedWith":
        """Return what a training under `params` uses."""
        return cls(
            new_candidates=params.fusion.new_candidates,
            bought_candidates=params.fusion.bought_candidates,
            category_items=params.fusion.category_items,
            index=params.fusion.index,
            rows=params.fusion.rows,
            session_gap_minutes=params.preparation.session_gap_minutes,
            half_life_days={
                name: days
                for name, tower in TOWERS.items()
                if (days := tower.half_life_days(params)) is not None
            },
            history_half_life_items=params.fusion.history_half_life_items,
        )

    def values(self) -> dict[str, Any]:
        """Return what FILE holds of it, in plain values."""
        sections = {"index": self.index.model_dump(), "rows": self.rows.model_dump()}
        return {"layout": LAYOUT, **asdict(self), **sections}


def read_choice(folder: Path) -> tuple[str, TrainedWith]:
    """Return the chosen method of fusion in models/fused or in a package, and what it was with.

    Raises:
        ModelError: there is no fused model.
        LayoutError: the model was written by code of another layout.

    """
    try:
        chosen = json.loads((folder / FILE).read_text())
    except (OSError, ValueError) as error:
        raise ModelError(f"a fused model in {folder}", str(error), "run fusion_training") from error
    layout = chosen.get("layout", "none")
    if layout != LAYOUT:
        raise LayoutError(f"a fused model of layout {LAYOUT}", f"layout {layout}", REMEDY)
    try:
        values = {name: chosen[name] for name in TrainedWith.__dataclass_fields__}
        values["index"] = IndexParams.model_validate(values["index"])
        values["rows"] = RowParams.model_validate(values["rows"])
        return str(chosen["method"]), TrainedWith(**values)
    except (KeyError, ValidationError) as error:
        raise ModelError(f"{error} in {folder / FILE}", "none", REMEDY) from error
