"""What LightGBM grows the heads of the stacking on, and with which options."""

from collections.abc import Sequence
from typing import Any

import lightgbm as lgb
import numpy as np

from components.platform.errors import ModelError
from components.shop_ranking.engine.candidate_sets import CandidateSet
from components.shop_ranking.engine.fusion.lists import SEGMENTS, labels_of, rows_of
from components.shop_ranking.params.fusion import StackingParams


def binned(
    train: Sequence[CandidateSet], params: StackingParams, seed: int
) -> dict[str, lgb.Dataset]:
    """Return the binned rows of each segment that has any; all of its heads use them.

    Raises:
        ModelError: no shopper wanted any candidate.

    """
    data = {}
    for segment in SEGMENTS:
        kept = [rows_of(candidates, segment) for candidates in train]
        parts = list(zip(train, kept, strict=True))
        labels = np.concatenate([labels_of(candidates)[rows] for candidates, rows in parts])
        if not len(labels):
            continue
        if not labels.any() and segment == "new":
            raise ModelError(
                "a wanted item among the candidates of the fit cuts",
                "none",
                "raise fusion.new_candidates or preparation.fit_cuts",
            )
        sizes = np.concatenate(
            [
                np.bincount(candidates.owner[rows], minlength=len(candidates.users))
                for candidates, rows in parts
            ]
        )
        data[segment] = lgb.Dataset(
            np.concatenate([candidates.features[rows] for candidates, rows in parts]),
            labels.astype(np.float32),
            group=sizes[sizes > 0],
            params=lightgbm_options(params, len(labels)) | {"seed": seed},
        ).construct()
    return data


def lightgbm_options(params: StackingParams, rows: int) -> dict[str, Any]:
    """Return LightGBM's options; of few rows a leaf takes a part, but a few at least."""
    few = max(rows // params.leaf_parts, params.fewest_leaf_rows)
    return {
        "learning_rate": params.learning_rate,
        "num_leaves": params.leaves,
        "min_data_in_leaf": min(few, params.leaf_rows),
        "feature_fraction": params.feature_share,
        "bagging_fraction": params.row_share,
        "bagging_freq": 1,
        "lambda_l2": params.l2,
        "max_bin": params.bins,
        "force_col_wise": True,
        "deterministic": True,
        "verbose": -1,
    }
