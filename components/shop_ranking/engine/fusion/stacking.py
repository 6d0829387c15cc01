"""Stacking: boosted trees over the towers' scores and the features, two heads a segment."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import lightgbm as lgb
import numpy as np

from components.platform.errors import ModelError
from components.shop_ranking.engine.candidate_sets import CandidateSet
from components.shop_ranking.engine.feature_names import FEATURE_GROUPS, FEATURES
from components.shop_ranking.engine.fusion.interface import Weight
from components.shop_ranking.engine.fusion.lists import (
    SEGMENTS,
    labels_of,
    log_odds,
    quality,
    rows_of,
)
from components.shop_ranking.engine.history import Floats
from components.shop_ranking.params.fusion import DEFAULTS, FusionParams, StackingParams

# XE-NDCG is a loss over lists, log-loss over rows; on validation their mean ranked better
# than either, and XE-NDCG better than LambdaMART's pairs (docs/fusion.md).
OBJECTIVES = ("rank_xendcg", "binary")


class Stacking:
    """XE-NDCG (Bruch, WWW 2021) and log-loss boosted by LightGBM, put on one scale."""

    name: ClassVar[str] = "stacking"

    def __init__(self, seed: int = 0, params: FusionParams = DEFAULTS) -> None:
        self.seed, self.params = seed, params
        self.rounds = max(params.stacking.trees)
        self.heads: dict[str, lgb.Booster] = {}  # "segment-objective" -> trees
        self.scales: dict[str, tuple[float, float]] = {}  # head -> slope and offset to log-odds

    def fit(self, train: Sequence[CandidateSet], validation: CandidateSet) -> None:
        """Grow the most trees, then keep the number that is best on validation.

        Raises:
            ModelError: no shopper wanted any candidate.

        """
        self.rounds = max(self.params.stacking.trees)
        self.refit(train)
        reached = {}
        for rounds in self.params.stacking.trees:
            self.rounds = rounds
            self._calibrate(train)
            reached[rounds] = quality(validation, self.score(validation))
        self.rounds = max(reached, key=lambda rounds: reached[rounds])
        self._calibrate(train)

    def refit(self, train: Sequence[CandidateSet]) -> None:
        """Grow the trees on these sets."""
        self.heads = {
            f"{segment}-{objective}": self._grow(train, segment, objective)
            for segment in SEGMENTS
            for objective in OBJECTIVES
            if any(rows_of(one, segment).any() for one in train)
        }
        self._calibrate(train)

    def score(self, candidates: CandidateSet) -> Floats:
        """Return the log-odds of being wanted, the mean over a segment's heads, (rows,)."""
        return self._mean(candidates)

    def contributions(self, candidates: CandidateSet) -> dict[str, Floats]:
        """Return TreeSHAP values (Lundberg et al. 2020) summed over each group of features."""
        total = np.zeros((len(candidates), len(FEATURES)), np.float32)
        for segment in SEGMENTS:
            rows = rows_of(candidates, segment)
            heads = [name for name in self.heads if name.startswith(segment)]
            if not rows.any():
                continue
            for name in heads:
                found = self.heads[name].predict(
                    candidates.features[rows], num_iteration=self.rounds, pred_contrib=True
                )
                total[rows] += self.scales[name][0] * np.asarray(found)[:, :-1] / len(heads)
        place = {name: k for k, name in enumerate(FEATURES)}
        return {
            group: total[:, [place[name] for name in names]].sum(1)
            for group, names in FEATURE_GROUPS.items()
        }

    def weights(self) -> list[Weight]:
        """Each feature's share of a head's gain, the two objectives averaged."""
        rows: list[Weight] = []
        for segment in SEGMENTS:
            heads = [head for name, head in self.heads.items() if name.startswith(segment)]
            if not heads:
                continue
            gains = [head.feature_importance("gain") for head in heads]
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
        fusion.scales = {name: (pair[0], pair[1]) for name, pair in values["scales"].items()}
        return fusion

    def _grow(self, train: Sequence[CandidateSet], segment: str, objective: str) -> lgb.Booster:
        kept = [rows_of(one, segment) for one in train]
        features = np.concatenate(
            [one.features[rows] for one, rows in zip(train, kept, strict=True)]
        )
        labels = np.concatenate(
            [labels_of(one)[rows] for one, rows in zip(train, kept, strict=True)]
        )
        if not labels.any() and segment == "new":
            raise ModelError(
                "a wanted item among the candidates of the fit cuts",
                "none",
                "raise fusion.new_candidates or preparation.fit_cuts",
            )
        groups = [
            np.bincount(one.owner[rows], minlength=len(one.users))
            for one, rows in zip(train, kept, strict=True)
        ]
        sizes = np.concatenate(groups)
        data = lgb.Dataset(
            features,
            labels.astype(np.float32),
            group=sizes[sizes > 0] if objective == "rank_xendcg" else None,
        )
        options = _options(self.params.stacking, len(labels))
        options |= {"objective": objective, "seed": self.seed}
        return lgb.train(options, data, num_boost_round=self.rounds)

    def _mean(self, candidates: CandidateSet) -> Floats:
        total = np.zeros(len(candidates), np.float32)
        for segment in SEGMENTS:
            rows = rows_of(candidates, segment)
            heads = [name for name in self.heads if name.startswith(segment)]
            if not rows.any():
                continue
            features = candidates.features[rows]
            for name in heads:
                raw = self.heads[name].predict(features, num_iteration=self.rounds, raw_score=True)
                slope, offset = self.scales[name]
                total[rows] += (slope * np.asarray(raw) + offset) / len(heads)
        return total

    def _calibrate(self, train: Sequence[CandidateSet]) -> None:
        """Put the heads on one scale: a logistic regression of labels on each head's scores."""
        rng = np.random.default_rng(self.seed)
        size = -(-self.params.stacking.scaling_shoppers // len(train))
        drawn = [one.take(np.sort(rng.permutation(len(one.users))[:size])) for one in train]
        for name, head in self.heads.items():
            kept = [rows_of(one, name.split("-")[0]) for one in drawn]
            raw = [
                head.predict(one.features[rows], num_iteration=self.rounds, raw_score=True)
                for one, rows in zip(drawn, kept, strict=True)
            ]
            labels = [labels_of(one)[rows] for one, rows in zip(drawn, kept, strict=True)]
            self.scales[name] = log_odds(
                np.concatenate(raw), np.concatenate(labels), self.params.calibration_ridge
            )


def _options(params: StackingParams, rows: int) -> dict[str, Any]:
    """Return LightGBM's options; of few rows a leaf takes a 200th, but 5 at least."""
    return {
        "learning_rate": params.learning_rate,
        "num_leaves": params.leaves,
        "min_data_in_leaf": min(max(rows // 200, 5), params.leaf_rows),
        "feature_fraction": params.feature_share,
        "bagging_fraction": params.row_share,
        "bagging_freq": 1,
        "lambda_l2": params.l2,
        "max_bin": params.bins,
        "force_col_wise": True,
        "deterministic": True,
        "verbose": -1,
    }
