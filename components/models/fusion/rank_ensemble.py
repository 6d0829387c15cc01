"""Reciprocal rank fusion: no score is trusted, only the order each signal gives."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from components.models.fusion.interface import Weight
from components.models.fusion.lists import SEGMENTS, Calibration, calibrate, ranks_in
from components.ranking.candidate_sets import CandidateSet
from components.ranking.history import Floats
from components.ranking.signals import SIGNALS

SMOOTHING = 60  # the constant of Cormack, Clarke and Buettcher (SIGIR 2009)


class RankEnsemble:
    """Sum over signals of 1 / (60 + rank in the shopper's segment); missing ones add nothing."""

    name: ClassVar[str] = "rank-ensemble"

    def __init__(self, seed: int = 0) -> None:
        self.calibration = Calibration()

    def fit(self, train: Sequence[CandidateSet], validation: CandidateSet) -> None:
        """Calibrate; the ranks themselves have nothing to fit."""
        self.refit(train)

    def refit(self, train: Sequence[CandidateSet]) -> None:
        """Calibrate on these sets."""
        self.calibration = calibrate(train, [reciprocal_ranks(one) for one in train])

    def score(self, candidates: CandidateSet) -> Floats:
        """Return the calibrated sum of reciprocal ranks, (rows,)."""
        return self.calibration.apply(candidates, reciprocal_ranks(candidates))

    def weights(self) -> list[Weight]:
        """Every signal counts the same."""
        return [
            {"segment": segment, "part": name, "weight": 1 / len(SIGNALS)}
            for segment in SEGMENTS
            for name in SIGNALS
        ]

    def save(self, folder: Path) -> None:
        """Write the calibration."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "calibration.json").write_text(json.dumps(asdict(self.calibration)))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        fusion = cls()
        values = json.loads((folder / "calibration.json").read_text())
        fusion.calibration = Calibration(**{key: tuple(pair) for key, pair in values.items()})
        return fusion


def reciprocal_ranks(candidates: CandidateSet) -> Floats:
    """Return the sum over signals, (rows,)."""
    group = candidates.owner * 2 + candidates.bought
    total = np.zeros(len(candidates))
    for k in range(candidates.signals.shape[1]):
        values = candidates.signals[:, k]
        order = np.lexsort((-np.nan_to_num(values, nan=-np.inf), group))
        rank = np.empty(len(order))
        rank[order] = ranks_in(group[order], 2 * len(candidates.users)) + 1
        total += np.where(np.isnan(values), 0, 1 / (SMOOTHING + rank))
    return total.astype(np.float32)
