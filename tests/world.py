"""A tiny simulated shop, taken through acquisition, ingestion and preparation.

Tests ask for the fixture `tiny_world` (tests/conftest.py); its answers are known by construction.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.platform.files import read_table
from components.platform.pseudonyms import pseudonym
from components.shop_ranking.application import STAGES
from components.shop_ranking.data_ingestion import acquisition
from components.shop_ranking.data_ingestion import component as ingestion
from components.shop_ranking.data_ingestion.adapters.simulated_shop import truth as read_truth
from components.shop_ranking.data_ingestion.simulator.catalogue import START
from components.shop_ranking.data_ingestion.simulator.shoppers import Truth
from components.shop_ranking.data_preparation import component as preparation
from components.shop_ranking.params import Params

TINY = {"shoppers": 120, "items": 120, "days": 98}
HORIZON_DAYS = 14
CUTS = ("fit_1", "fit_2", "validation", "test")
# Every method of fusion fitted in seconds: for tests of what is done with its scores.
QUICK_FUSION: dict[str, object] = {
    "weighted_average": {"draws": 4, "rounds": 1},
    "stacking": {"trees": [10]},
    "gated_attention": {"epochs": 1, "least_steps": 10},
    "parameter_averaging": {"start_epochs": 1},
}


def tiny_params(**sections: dict[str, object]) -> Params:
    """Return the params of the tiny world; keyword arguments replace values in a section."""
    values: dict[str, dict[str, object]] = {
        "data": {"dataset": "simulated-shop", "simulation": TINY},
        "preparation": {"horizon_days": HORIZON_DAYS, "min_item_sessions": 2},
    }
    for section, changes in sections.items():
        values[section] = {**values.get(section, {}), **changes}
    return Params.model_validate(values)


@dataclass(frozen=True)
class TinyWorld:
    """A run folder with raw, tables and prepared data, and the truth behind it."""

    folder: Path
    params: Params
    truth: Truth

    def path(self, stage: str, name: str) -> Path:
        """Return one of a stage's paths of STAGES inside the run folder."""
        return self.folder / STAGES[stage].paths[name]

    @property
    def prepared(self) -> Path:
        """The folder data/prepared."""
        return self.path("data_preparation", "prepared")

    def days_until(self, day: str) -> float:
        """Return the day of the world at the start of the calendar day `day`."""
        return float((np.datetime64(day) - np.datetime64(START.date())).astype(int))

    def true_parts(self, day: str) -> dict[str, np.ndarray]:
        """Return the utilities of the targets of the cut at `day`, prepared users x items.

        Keys text, picture, behaviour; their sum is the best score there is.
        """
        users = read_table(self.prepared / "users.parquet")["user_id"].to_pylist()
        items = read_table(self.prepared / "items.parquet")["item_id"].to_pylist()
        user_row = {pseudonym(str(name)): row for row, name in enumerate(self.truth.user_ids)}
        item_row = {str(name): row for row, name in enumerate(self.truth.item_ids)}
        rows = np.ix_([user_row[name] for name in users], [item_row[name] for name in items])
        parts = self.truth.parts(self.days_until(day), self.params.preparation.horizon_days)
        return {
            name: np.broadcast_to(part, self.truth.text.shape)[rows] for name, part in parts.items()
        }


def make_world(folder: Path, params: Params) -> TinyWorld:
    """Run the three data stages in `folder`."""
    paths = {stage: {k: folder / v for k, v in STAGES[stage].paths.items()} for stage in STAGES}
    acquisition.run(params, **paths["data_acquisition"])
    ingestion.run(params, **paths["data_ingestion"])
    preparation.run(params, **paths["data_preparation"])
    truth = read_truth(paths["data_acquisition"]["raw"])
    return TinyWorld(folder, params, truth)
