"""What the gated network reads of candidates: a batch of shoppers at a time, as compiled loops."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from components.platform.compiled import compiled, compiled_sums
from components.shop_ranking.engine.candidate_sets import CandidateSet
from components.shop_ranking.engine.feature_names import FEATURE_GROUPS, FEATURES
from components.shop_ranking.engine.feature_states import TOWERS
from components.shop_ranking.engine.fusion.gated_network import Batch
from components.shop_ranking.engine.history import Floats, Ints

Doubles = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
PLAIN = np.array([  # features of no tower: one that drops out leaves no trace in the history token
    k for k, name in enumerate(FEATURES) if not any(name in FEATURE_GROUPS[t] for t in TOWERS)
])  # fmt: skip


class Scaling(NamedTuple):
    """How the features of PLAIN are standardised."""

    centre: Floats  # (F,) mean
    scale: Floats  # (F,) deviation
    limit: np.float32  # deviations from the mean that a feature counts at most


class GatedRows:
    """Batches of one set of candidates, their features standardised."""

    def __init__(self, candidates: CandidateSet, scaling: Scaling) -> None:
        self.candidates, self.scaling = candidates, scaling
        self.scores = np.nan_to_num(candidates.normalised[:, : len(TOWERS)])
        self.vectors = [
            (
                np.ascontiguousarray(candidates.user_vectors[tower], np.float32),
                np.ascontiguousarray(candidates.item_vectors[tower], np.float32),
            )
            for tower in TOWERS
        ]

    def batch(self, shoppers: Places) -> Batch:
        """Return the candidates of the shoppers at these rows, in that order."""
        whole = self.candidates
        lengths = whole.ptr[shoppers + 1] - whole.ptr[shoppers]
        ends = np.cumsum(lengths)
        at = np.repeat(whole.ptr[shoppers] - ends + lengths, lengths) + np.arange(lengths.sum())
        owner = np.repeat(np.arange(len(shoppers)), lengths)
        user, item = np.repeat(shoppers, lengths), whole.items[at]
        products = [_products(mine, theirs, user, item) for mine, theirs in self.vectors]
        features = _standardised(whole.features, at, *self.scaling)
        labels = np.zeros(len(at), bool) if whole.labels is None else whole.labels[at]
        return Batch(
            features=torch.from_numpy(features),
            products=tuple(torch.from_numpy(product) for product, _ in products),
            scores=torch.from_numpy(self.scores[at]),
            present=torch.from_numpy(np.stack([known for _, known in products], 1)),
            owner=torch.from_numpy(owner),
            bought=torch.from_numpy(whole.bought[at]),
            labels=torch.from_numpy(labels.astype(np.float32)),
            shoppers=len(shoppers),
        )


def scaling_of(train: Sequence[CandidateSet], limit: float) -> Scaling:
    """Return mean and deviation of each feature of PLAIN over all sets, with the limit."""
    first, second = np.zeros(len(PLAIN)), np.zeros(len(PLAIN))
    count = np.zeros(len(PLAIN), np.int64)
    for candidates in train:
        _add_up(candidates.features, first, second, count)
    count = np.maximum(count, 1)
    mean = first / count
    deviation = np.sqrt(np.maximum(second / count - mean**2, 0)) + 1e-3
    return Scaling(mean.astype(np.float32), deviation.astype(np.float32), np.float32(limit))


@compiled
def _compressed(x: np.float32) -> np.float32:
    """Return a feature with its heavy tail drawn in: sign(x) log(1 + |x|)."""
    size = np.log1p(np.abs(x))
    return size if x >= 0 else -size


@compiled
def _add_up(features: Floats, first: Doubles, second: Doubles, count: Places) -> None:
    for row in range(len(features)):
        for k in range(len(PLAIN)):
            x = features[row, PLAIN[k]]
            if not np.isnan(x):
                value = np.float64(_compressed(x))
                first[k] += value
                second[k] += value * value
                count[k] += 1


@compiled
def _standardised(
    features: Floats, at: Places, centre: Floats, scale: Floats, limit: np.float32
) -> Floats:
    """Return the features of rows, 0 where missing, then a flag for each that is missing."""
    size = len(PLAIN)
    out = np.zeros((len(at), 2 * size), np.float32)
    for row in range(len(at)):
        for k in range(size):
            x = features[at[row], PLAIN[k]]
            if np.isnan(x):
                out[row, size + k] = 1
            else:
                value = (_compressed(x) - centre[k]) / scale[k]
                out[row, k] = min(max(value, -limit), limit)
    return out


@compiled_sums
def _products(
    users: Floats, items: Floats, user: Places, item: Ints
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return shopper vector * item vector of length 1, 0 where either is missing, and where not."""
    out = np.zeros((len(user), users.shape[1]), np.float32)
    known = np.zeros(len(user), np.bool_)
    for row in range(len(user)):
        mine, theirs = users[user[row]], items[item[row]]
        squares = np.float32(0)
        for dim in range(len(mine)):
            product = mine[dim] * theirs[dim]
            out[row, dim] = product
            squares += product * product
        known[row] = not np.isnan(squares)
        scale = np.float32(1) / (np.sqrt(squares) + np.float32(1e-9))
        for dim in range(len(mine)):
            out[row, dim] = out[row, dim] * scale if known[row] else np.float32(0)
    return out, known
