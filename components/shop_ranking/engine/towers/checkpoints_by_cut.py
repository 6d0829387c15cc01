"""A behaviour tower as it was at each cut, so that a later training may start, or encode, from it.

A tower that has seen the future of a cut must not make that cut's vectors. So the folder keeps the
weights of every cut (`<cut>/weights.pt`; the last ones stand in the folder itself), tower.json says
until which day each was trained (`trained_until`), and whoever takes a tower over takes the latest
weights from before.
"""

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from components.platform import tracking
from components.platform.errors import ModelError
from components.shop_ranking.engine.towers.behaviour import BehaviourTower


@dataclass(frozen=True)
class CutCheckpoint:
    """Weights that saw nothing on or after `day`."""

    folder: Path
    day: date

    def load(self) -> BehaviourTower:
        """Read the tower."""
        return BehaviourTower.load(self.folder)


def checkpoints_by_cut(source: str, scratch: Path) -> list[CutCheckpoint]:
    """Return a tower's checkpoints in time order.

    Args:
        source: a folder, or a version in the registry (models:/name/version).
        scratch: where one of the registry is downloaded to; it is needed as long as they are.

    Raises:
        ModelError: there is no behaviour tower, or it does not say until when it was trained.
        RegistryError: the registry lacks it.

    """
    folder = Path(source) if Path(source).is_dir() else tracking.download(source, scratch)
    try:
        days = dict(json.loads((folder / "tower.json").read_text())["trained_until"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"a behaviour tower in {folder}", repr(error), "train it, or name another folder"
        ) from error
    places = [folder / cut if (folder / cut / "weights.pt").is_file() else folder for cut in days]
    checkpoints = (
        CutCheckpoint(place, date.fromisoformat(day))
        for place, day in zip(places, days.values(), strict=True)
    )
    return sorted(checkpoints, key=lambda checkpoint: checkpoint.day)


def latest_before(checkpoints: list[CutCheckpoint], day: str, source: str) -> CutCheckpoint:
    """Return the latest checkpoint that saw nothing on or after `day`.

    Raises:
        ModelError: all of them have.

    """
    fitting = [
        checkpoint for checkpoint in checkpoints if checkpoint.day <= date.fromisoformat(day)
    ]
    if not fitting:
        raise ModelError(
            f"weights of {source} trained on nothing after the cut of {day}",
            f"the earliest was trained until {checkpoints[0].day}",
            "choose later cuts, or train without a tower to start from",
        )
    return fitting[-1]
