"""The simple methods of the table, each with its hyperparameters chosen on validation."""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import scipy.linalg
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import CosineRecommender
from scipy.sparse import csr_array, csr_matrix
from threadpoolctl import threadpool_limits

from benchmarks.quality.next_item.leave_one_out import LeaveOneOut, Score, ranks
from components.shop_ranking.engine.towers.item_orders import Floats, Orders
from components.shop_ranking.engine.towers.transitions import (
    TransitionConfig,
    markov_weights,
    transition_scores,
    transition_weights,
)

TUNED_ON = 5000  # shoppers: the standard error of their NDCG is about .003
DECAYS = (0.4, 0.6, 0.8, 1.0)  # weight of the item before, in a history
COPIES_OF_EASE = 4  # of its matrix, items^2 x 4 bytes, while it is solved; one of them is kept


class Method(Protocol):
    """A recommender: choose() looks at train and validation, fit() learns from what it is given."""

    name: str

    def choose(self, data: LeaveOneOut, seed: int) -> str:
        """Set hyperparameters by validation; return them in words."""

    def fit(self, orders: Orders) -> Score:
        """Learn from these histories."""


def tried(data: LeaveOneOut, score: Score, seed: int) -> float:
    """Return how well a scorer fitted on train does on a sample of validation."""
    count = min(TUNED_ON, len(data.whole))
    rows = np.sort(np.random.default_rng(seed).choice(len(data.whole), count, replace=False))
    return ranks(score, data.train, data.validation_target, data.train.counts, rows).choice


def best(options: Iterable[Any], value: Callable[[Any], float]) -> Any:
    """Return the first of the best options."""
    return max(options, key=value)


@dataclass
class SequenceKnn:
    """What came after (and before) the latest items, see engine/towers/transitions.py."""

    name: str = "sequence-kNN"
    config: TransitionConfig = field(default_factory=TransitionConfig)
    grid: dict[str, tuple[float, ...]] = field(
        default_factory=lambda: {
            "window": (3, 5, 10, 20),
            "decay": (0.6, 0.8, 1.0),
            "reverse": (0.0, 0.25, 0.5, 1.0),
            "shrink": (0.0, 5.0, 20.0),
            "history_decay": DECAYS,
        }
    )

    def choose(self, data: LeaveOneOut, seed: int) -> str:
        """Search one hyperparameter after another, twice."""
        known: dict[TransitionConfig, float] = {}

        def value(config: TransitionConfig) -> float:
            if config not in known:
                known[config] = tried(data, self._fit(data.train, config), seed)
            return known[config]

        for _, (name, values) in itertools.product(range(2), self.grid.items()):
            options = [replace(self.config, **{name: value}) for value in values]
            self.config = best([self.config, *options], value)
        return ", ".join(f"{name} {getattr(self.config, name):g}" for name in self.grid)

    def fit(self, orders: Orders) -> Score:
        """Count the transitions."""
        return self._fit(orders, self.config)

    def _fit(self, orders: Orders, config: TransitionConfig) -> Score:
        weights = transition_weights(orders, config)
        decay = config.history_decay
        return lambda histories, rows: transition_scores(histories, rows, weights, decay)


@dataclass
class LastItem:
    """What most often followed the last item: a first-order Markov chain."""

    name: str = "Markov chain"

    def choose(self, data: LeaveOneOut, seed: int) -> str:
        """Nothing to choose."""
        return "none"

    def fit(self, orders: Orders) -> Score:
        """Count what follows."""
        weights = markov_weights(orders)

        def score(histories: Orders, rows: np.ndarray) -> Floats:
            last = histories.last()[rows]
            scores: Floats = weights[last].toarray()
            return scores

        return score


@dataclass
class _Linear:
    """A dense or sparse item-item matrix, asked with a fading history."""

    decay: float = 1.0

    def weights(self, orders: Orders) -> Any:
        """Return the matrix, (items, items)."""
        raise NotImplementedError

    def score_with(self, weights: Any, decay: float) -> Score:
        """Return a scorer."""

        def score(histories: Orders, rows: np.ndarray) -> Floats:
            scores = histories.profile(decay, rows) @ weights
            return scores.toarray() if isinstance(scores, csr_array) else np.asarray(scores)

        return score

    def fit(self, orders: Orders) -> Score:
        """Learn the matrix."""
        return self.score_with(self.weights(orders), self.decay)


@dataclass
class Ease(_Linear):
    """EASE (Steck, WWW 2019), a linear autoencoder in closed form, asked with recency."""

    name: str = "EASE with recency"
    l2: float = 300.0
    grid: tuple[float, ...] = (100.0, 300.0, 1000.0)
    _kept: dict[int, Floats] = field(default_factory=dict)  # of `choose`, by size of its data

    def choose(self, data: LeaveOneOut, seed: int) -> str:
        """Search l2 and the decay together."""
        reached = -1.0
        for l2 in self.grid:
            weights = self._solved(data.train, l2)
            for decay in DECAYS:
                value = tried(data, self.score_with(weights, decay), seed)
                if value > reached:
                    reached, self.l2, self.decay = value, l2, decay
                    self._kept = {len(data.train.item): weights}
        return f"l2 {self.l2:g}, history_decay {self.decay:g}"

    def weights(self, orders: Orders) -> Floats:
        """Solve, unless `choose` has."""
        kept = self._kept.get(len(orders.item))
        return self._solved(orders, self.l2) if kept is None else kept

    def _solved(self, orders: Orders, l2: float) -> Floats:
        """B = 1 - P / diag(P), P = (X'X + l2)^-1 by Cholesky in float32."""
        x = orders.profile(1.0)
        x.sum_duplicates()
        x.data[:] = 1.0
        gram = (x.T @ x).toarray()
        gram[np.diag_indices_from(gram)] += l2
        factor = scipy.linalg.lapack.spotrf(gram, lower=0, overwrite_a=1)[0]
        upper = np.triu(scipy.linalg.lapack.spotri(factor, lower=0, overwrite_c=1)[0])
        whole = upper + np.triu(upper, 1).T
        whole /= -np.diag(whole).copy()
        np.fill_diagonal(whole, 0.0)
        return whole


def too_large(items: int, available: int) -> str | None:
    """Say why EASE cannot be solved in `available` bytes; None where it can."""
    needed = COPIES_OF_EASE * 4 * items**2
    if needed <= available:
        return None
    return (
        f"EASE: not run, {items:,} items need {needed / 2**30:.0f} GB and {available / 2**30:.0f} "
        "GB are free."
    )


@dataclass
class ItemKnn(_Linear):
    """Item-item cosine (Sarwar et al., WWW 2001), by `implicit`."""

    name: str = "ItemKNN"
    neighbours: int = 200
    grid: tuple[int, ...] = (50, 200, 1000)

    def choose(self, data: LeaveOneOut, seed: int) -> str:
        """Search the number of neighbours; the history counts evenly, as in the original."""

        def value(neighbours: int) -> float:
            self.neighbours = neighbours
            return tried(data, self.fit(data.train), seed)

        self.neighbours = best(self.grid, value)
        return f"neighbours {self.neighbours}"

    def weights(self, orders: Orders) -> csr_array:
        """Cosine of the shoppers of two items."""
        model = CosineRecommender(K=self.neighbours, num_threads=1)
        model.fit(csr_matrix(orders.profile(1.0)), show_progress=False)
        similarity = csr_array(model.similarity).astype(np.float32)
        similarity.setdiag(0.0)
        return similarity


@dataclass
class Als:
    """Alternating least squares (Hu, Koren and Volinsky, ICDM 2008), by `implicit`."""

    name: str = "ALS"
    factors: int = 64
    regularization: float = 0.1
    alpha: float = 10.0  # confidence in a purchase; in all that was not bought it is 1
    grid: tuple[tuple[int, float, float], ...] = (
        (64, 1.0, 10.0), (128, 10.0, 10.0), (256, 10.0, 10.0), (256, 100.0, 40.0)
    )  # fmt: skip

    def choose(self, data: LeaveOneOut, seed: int) -> str:
        """Search factors, regularisation and confidence."""

        def value(option: tuple[int, float, float]) -> float:
            self.factors, self.regularization, self.alpha = option
            return tried(data, self.fit(data.train), seed)

        self.factors, self.regularization, self.alpha = best(self.grid, value)
        return (
            f"factors {self.factors}, regularization {self.regularization:g}, alpha {self.alpha:g}"
        )

    def fit(self, orders: Orders) -> Score:
        """Factorise; a shopper is folded in from the history that is asked with."""
        with threadpool_limits(1, "blas"):  # its threads would stand in implicit's own way
            model = AlternatingLeastSquares(
                factors=self.factors, regularization=self.regularization, alpha=self.alpha,
                iterations=10, num_threads=1, random_state=0,
            )  # fmt: skip
            model.fit(csr_matrix(orders.profile(1.0)), show_progress=False)

        def score(histories: Orders, rows: np.ndarray) -> Floats:
            asked = csr_matrix(histories.profile(1.0, rows))
            shoppers = model.recalculate_user(np.arange(len(rows)), asked)
            scores: Floats = np.asarray(shoppers) @ np.asarray(model.item_factors).T
            return scores

        return score
