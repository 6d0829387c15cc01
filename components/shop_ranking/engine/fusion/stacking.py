"""Stacking: boosted trees over the towers' scores and the features, two heads a segment."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from components.platform.errors import ModelError
from components.shop_ranking.engine.candidate_sets import CandidateSet
from components.shop_ranking.engine.feature_names import FEATURE_GROUPS, FEATURES
from components.shop_ranking.engine.fusion.boosting import binned, lightgbm_options
from components.shop_ranking.engine.fusion.interface import Weight
from components.shop_ranking.engine.fusion.lists import (
    SEGMENTS,
    labels_of,
    log_odds,
    quality,
    rows_of,
)
from components.shop_ranking.engine.history import Floats
from components.shop_ranking.engine.trees import Trees
from components.shop_ranking.params.fusion import DEFAULTS, FusionParams

# XE-NDCG (Bruch, WWW 2021) is a loss over lists, log-loss over rows; their mean ranks.
OBJECTIVES = ("rank_xendcg", "binary")
BLOCK = 4096  # rows whose features the trees read at once; capacity only: changes no result
Sums = dict[str, npt.NDArray[np.float64]]  # head -> sum of its trees for its segment's rows


class Stacking:
    """XE-NDCG (Bruch, WWW 2021) and log-loss boosted by LightGBM, put on one scale."""

    name: ClassVar[str] = "stacking"
    needs_torch: ClassVar[bool] = False

    def __init__(self, seed: int = 0, params: FusionParams = DEFAULTS) -> None:
        self.seed, self.params = seed, params
        self.rounds = max(params.stacking.trees)
        self.heads: dict[str, lgb.Booster] = {}  # "segment-objective" -> trees
        self.trees: dict[str, Trees] = {}  # the heads' trees, compiled
        self.scales: dict[str, tuple[float, float]] = {}  # head -> slope and offset to log-odds

    def fit(self, train: Sequence[CandidateSet], validation: CandidateSet) -> None:
        """Grow trees, up to the next number that is tried, until validation gets no better.

        The number that is best on validation is kept; `patience` numbers in a row that are no
        better end the growing.

        Raises:
            ModelError: no shopper wanted any candidate.

        """
        self._start(train)
        drawn = self._drawn(train)
        sums = [self._zeros(candidates) for candidates in (validation, *drawn)]
        best, behind, grown = -np.inf, 0, 0
        for rounds in sorted(self.params.stacking.trees):
            self._grow(rounds - grown)
            for candidates, totals in zip((validation, *drawn), sums, strict=True):
                self._add(candidates, totals, grown, rounds)
            grown = rounds
            scales = self._scales(drawn, sums[1:])
            reached = quality(validation, self._mean(validation, sums[0], scales))
            if reached > best:
                best, behind = reached, 0
                self.rounds, self.scales = rounds, scales
            elif (behind := behind + 1) == self.params.stacking.patience:
                break

    def refit(self, train: Sequence[CandidateSet]) -> None:
        """Grow the trees on these sets."""
        self._start(train)
        self._grow(self.rounds)
        drawn = self._drawn(train)
        self.scales = self._scales(drawn, [self._sums(candidates) for candidates in drawn])

    def score(self, candidates: CandidateSet) -> Floats:
        """Return the log-odds of being wanted, the mean over a segment's heads, (rows,)."""
        return self._mean(candidates, self._sums(candidates), self.scales)

    def contributions(self, candidates: CandidateSet) -> dict[str, Floats]:
        """Return TreeSHAP values (Lundberg et al. 2020) summed over each group of features."""
        total = np.zeros((len(candidates), len(FEATURES)), np.float32)
        for segment in SEGMENTS:
            rows = rows_of(candidates, segment)
            heads = self._of(segment)
            if not rows.any():
                continue
            for name in heads:
                shap = self.heads[name].predict(
                    candidates.features[rows], num_iteration=self.rounds, pred_contrib=True
                )
                total[rows] += self.scales[name][0] * np.asarray(shap)[:, :-1] / len(heads)
        place = {name: k for k, name in enumerate(FEATURES)}
        return {
            group: total[:, [place[name] for name in names]].sum(1)
            for group, names in FEATURE_GROUPS.items()
        }

    def weights(self) -> list[Weight]:
        """Each feature's share of a head's gain, the two objectives averaged."""
        rows: list[Weight] = []
        for segment in SEGMENTS:
            heads = [self.heads[name] for name in self._of(segment)]
            if not heads:
                continue
            gains = [head.feature_importance("gain", iteration=self.rounds) for head in heads]
            share = np.mean([gain / max(gain.sum(), 1e-9) for gain in gains], axis=0)
            rows += [
                {"segment": segment, "part": name, "weight": float(share[k])}
                for k, name in enumerate(FEATURES)
            ]
        return rows

    def save(self, folder: Path) -> None:
        """Write the trees as LightGBM text files."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, head in self.heads.items():
            text = head.model_to_string(num_iteration=self.rounds)
            (folder / f"{name}.txt").write_text(text)  # LightGBM itself prints when a disk is full
        values = {"rounds": self.rounds, "scales": self.scales, "features": list(FEATURES)}
        (folder / "stacking.json").write_text(json.dumps(values))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            ModelError: the trees were grown on other features than this code makes.

        """
        values = json.loads((folder / "stacking.json").read_text())
        if values["features"] != list(FEATURES):
            raise ModelError(
                f"a stacking over the {len(FEATURES)} features of this version in {folder}",
                f"{len(values['features'])} others",
                "train the fusion again",
            )
        fusion = cls()
        fusion.rounds = values["rounds"]
        fusion.heads = {
            path.stem: lgb.Booster(model_file=str(path)) for path in sorted(folder.glob("*.txt"))
        }
        fusion.trees = {name: Trees(head) for name, head in fusion.heads.items()}
        fusion.scales = {name: (pair[0], pair[1]) for name, pair in values["scales"].items()}
        return fusion

    def _start(self, train: Sequence[CandidateSet]) -> None:
        self.heads = {}
        for segment, data in binned(train, self.params.stacking, self.seed).items():
            options = lightgbm_options(self.params.stacking, data.num_data())
            for objective in OBJECTIVES:
                chosen = options | {"objective": objective, "seed": self.seed}
                self.heads[f"{segment}-{objective}"] = lgb.Booster(chosen, data)

    def _grow(self, rounds: int) -> None:
        """Add trees to each head."""
        for head in self.heads.values():
            for _ in range(rounds):
                head.update()
        self.trees = {name: Trees(head) for name, head in self.heads.items()}

    def _sums(self, candidates: CandidateSet) -> Sums:
        """Return the sum of each head's trees."""
        sums = self._zeros(candidates)
        self._add(candidates, sums, 0, self.rounds)
        return sums

    def _zeros(self, candidates: CandidateSet) -> Sums:
        rows = {segment: int(rows_of(candidates, segment).sum()) for segment in SEGMENTS}
        return {name: np.zeros(rows[_segment(name)]) for name in self.heads}

    def _add(self, candidates: CandidateSet, sums: Sums, first: int, last: int) -> None:
        """Add trees first..last - 1 of each head to the sums of its segment's rows."""
        for segment in SEGMENTS:
            rows = np.flatnonzero(rows_of(candidates, segment))
            for start in range(0, len(rows), BLOCK):
                features = np.ascontiguousarray(candidates.features[rows[start : start + BLOCK]].T)
                for name in self._of(segment):
                    part = sums[name][start : start + BLOCK]
                    self.trees[name].add(part, features, first, last)

    def _of(self, segment: str) -> list[str]:
        """Return the names of a segment's heads."""
        return [name for name in self.heads if _segment(name) == segment]

    def _drawn(self, train: Sequence[CandidateSet]) -> list[CandidateSet]:
        """Return the shoppers whose rows put the heads on one scale."""
        rng = np.random.default_rng(self.seed)
        size = -(-self.params.stacking.scaling_shoppers // len(train))
        return [
            candidates.take(np.sort(rng.permutation(len(candidates.users))[:size]))
            for candidates in train
        ]

    def _scales(
        self, drawn: Sequence[CandidateSet], sums: Sequence[Sums]
    ) -> dict[str, tuple[float, float]]:
        """Return a head's slope and offset: a logistic regression of labels on its scores."""
        scales = {}
        for name in self.heads:
            kept = [rows_of(candidates, _segment(name)) for candidates in drawn]
            labels = [labels_of(part)[rows] for part, rows in zip(drawn, kept, strict=True)]
            raw = np.concatenate([totals[name] for totals in sums])
            scales[name] = log_odds(raw, np.concatenate(labels), self.params)
        return scales

    def _mean(
        self, candidates: CandidateSet, sums: Sums, scales: Mapping[str, tuple[float, float]]
    ) -> Floats:
        """Return the mean of a segment's heads on the common scale, (rows,)."""
        total = np.zeros(len(candidates), np.float32)
        for segment in SEGMENTS:
            rows, heads = rows_of(candidates, segment), self._of(segment)
            for name in heads:
                slope, offset = scales[name]
                total[rows] += (slope * sums[name] + offset) / len(heads)
        return total


def _segment(head: str) -> str:
    """Return the segment of a head, by its name."""
    return head.split("-", 1)[0]
