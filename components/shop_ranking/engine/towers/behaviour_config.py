"""The shape of the behaviour tower's network, as it travels with the tower."""

import json
from dataclasses import dataclass, fields
from pathlib import Path

from components.platform.errors import LayoutError
from components.shop_ranking.towers.behaviour import BehaviourParams


@dataclass(frozen=True)
class TowerConfig:
    """Shape of the network; vectors are dim + 1 wide, the last place carries popularity.

    What the values mean: BehaviourParams. A saved tower has them in its tower.json.
    """

    dim: int
    width: int
    layers: int
    heads: int
    feedforward_widths: int
    taste_widths: int
    dropout: float
    max_sessions: int
    half_lives_days: tuple[float, ...]
    gap_buckets: int
    word_buckets: int
    word_dim: int
    unseen_popularity: float

    @classmethod
    def of(cls, params: BehaviourParams) -> "TowerConfig":
        """Return the shape that the params ask for."""
        return cls(**{field.name: getattr(params, field.name) for field in fields(cls)})

    @classmethod
    def read(cls, folder: Path) -> "TowerConfig":
        """Read the shape of a saved tower from its tower.json.

        Raises:
            OSError, ValueError: there is no file, or it is no JSON.
            LayoutError: the tower was written by code of another layout.

        """
        values = json.loads((folder / "tower.json").read_text()).get("config", {})
        names = {field.name for field in fields(cls)}
        if set(values) != names:
            raise LayoutError(
                f"a behaviour tower that tells {', '.join(sorted(names))} in {folder}",
                f"only {', '.join(sorted(values)) or 'none of them'}",
                "train the behaviour tower again, reuse and start_from null",
            )
        return cls(**{**values, "half_lives_days": tuple(values["half_lives_days"])})
