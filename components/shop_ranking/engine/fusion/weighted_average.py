"""Weighted average of normalised signals, weights on the simplex, one set a segment."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from components.platform.errors import ModelError
from components.shop_ranking.engine.candidate_sets import CandidateSet
from components.shop_ranking.engine.fusion.interface import Weight
from components.shop_ranking.engine.fusion.lists import (
    SEGMENTS,
    Calibration,
    calibrate,
    mean_ndcg,
)
from components.shop_ranking.engine.history import Floats
from components.shop_ranking.engine.signals import SIGNALS
from components.shop_ranking.params.fusion import DEFAULTS, FusionParams, WeightedAverageParams


class WeightedAverage:
    """score = sum_m w_m z_m over the signals present / sum of their weights."""

    name: ClassVar[str] = "weighted-average"
    needs_torch: ClassVar[bool] = False

    def __init__(self, seed: int = 0, params: FusionParams = DEFAULTS) -> None:
        self.seed, self.params = seed, params
        self.simplex = np.full((len(SEGMENTS), len(SIGNALS)), 1 / len(SIGNALS))
        self.calibration = Calibration()

    def fit(self, train: Sequence[CandidateSet], validation: CandidateSet) -> None:
        """Search the weights on the latest cut of `train`; nothing is left to choose."""
        self.refit(train)

    def refit(self, train: Sequence[CandidateSet]) -> None:
        """Search by Dirichlet draws around the best weights so far, then calibrate."""
        rng = np.random.default_rng(self.seed)
        searched = self.params.weighted_average
        sample = _first_shoppers(train[-1], searched.shoppers)
        z = sample.normalised
        for number, segment in enumerate(SEGMENTS):
            self.simplex[number] = _search(sample, z, segment, rng, searched)
        averages = [self._average(candidates) for candidates in train]
        self.calibration = calibrate(train, averages, self.params)

    def score(self, candidates: CandidateSet) -> Floats:
        """Return the calibrated average, (rows,)."""
        return self.calibration.apply(candidates, self._average(candidates))

    def contributions(self, candidates: CandidateSet) -> dict[str, Floats]:
        """Return weight x normalised signal, the terms of the average."""
        z = candidates.normalised
        weights = np.where(candidates.bought[:, None], *self.simplex)
        terms = np.where(np.isnan(z), 0, z * weights).astype(np.float32)
        return {name: terms[:, k] for k, name in enumerate(SIGNALS)}

    def weights(self) -> list[Weight]:
        """The weights themselves."""
        return [
            {"segment": segment, "part": name, "weight": float(self.simplex[number, k])}
            for number, segment in enumerate(SEGMENTS)
            for k, name in enumerate(SIGNALS)
        ]

    def save(self, folder: Path) -> None:
        """Write weights, whose they are, and calibration."""
        folder.mkdir(parents=True, exist_ok=True)
        values = {
            "signals": list(SIGNALS),
            "simplex": self.simplex.tolist(),
            "calibration": asdict(self.calibration),
        }
        (folder / "weights.json").write_text(json.dumps(values))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            ModelError: the weights are of other signals than this code makes, or in another order.

        """
        fusion = cls()
        values = json.loads((folder / "weights.json").read_text())
        if values.get("signals") != list(SIGNALS):
            raise ModelError(
                f"weights of {', '.join(SIGNALS)} in {folder}",
                ", ".join(values.get("signals", ["weights that do not say of what"])),
                "train the fusion again",
            )
        fusion.simplex = np.array(values["simplex"])
        pairs = values["calibration"].items()
        fusion.calibration = Calibration(**{key: tuple(pair) for key, pair in pairs})
        return fusion

    def _average(self, candidates: CandidateSet) -> Floats:
        z = candidates.normalised
        bought = _average(z, self.simplex[0])
        return np.where(candidates.bought, bought, _average(z, self.simplex[1]))


def _average(z: Floats, weights: Floats) -> Floats:
    known = ~np.isnan(z)
    total = known @ weights
    return (np.where(known, z, 0) @ weights / np.maximum(total, 1e-9)).astype(np.float32)


def _search(
    sample: CandidateSet,
    z: Floats,
    segment: str,
    rng: np.random.Generator,
    params: WeightedAverageParams,
) -> Floats:
    """Draw weights, in the first round the corners of the simplex too, and keep the best."""
    view = "all" if segment == "bought" else "novel"
    hidden = ~sample.bought if segment == "bought" else sample.bought

    def reached(weights: Floats) -> float:
        return mean_ndcg(sample, np.where(hidden, -np.inf, _average(z, weights)), view)

    size = len(SIGNALS)
    best = np.full(size, 1 / size)
    best_value = reached(best)
    for number in range(params.rounds):
        concentration = best * params.narrowing**number * size + params.least_concentration
        draws = rng.dirichlet(concentration, params.draws)
        tried = np.concatenate([np.eye(size), draws]) if number == 0 else draws
        values = [reached(weights) for weights in tried]
        if max(values) > best_value:
            best_value, best = max(values), tried[int(np.argmax(values))]
    return best


def _first_shoppers(candidates: CandidateSet, count: int) -> CandidateSet:
    """Every n-th shopper, about `count` of them."""
    return candidates.take(
        np.arange(0, len(candidates.users), max(1, len(candidates.users) // count))
    )
