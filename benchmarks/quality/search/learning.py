"""Learnt fusion, judged by cross-validation over queries: no query helps to rank itself."""

import time
from collections.abc import Callable

import numpy as np
import scipy.optimize
from threadpoolctl import threadpool_limits

from benchmarks.quality.search.signals import Asked
from components.models.item_orders import Floats, Ints
from components.models.list_stacking import Candidates, ListStacking

FOLDS, INNER_FOLDS = 5, 4
PENALTIES = (0.3, 3.0, 30.0)  # of the linear model, chosen inside each fold
TRUNCATED = 2.5  # deviations: one extreme value must not decide

# Candidates and grades to learn from -> a scorer of candidates.
Learner = Callable[[Candidates, Ints], Callable[[Candidates], Floats]]


def folds(count: int, parts: int, seed: int) -> Ints:
    """Deal queries into parts, (count,)."""
    return np.random.default_rng(seed).permutation(count) % parts


def out_of_fold(learner: Learner, asked: Asked, queries: Ints, seed: int) -> tuple[Floats, float]:
    """Score all candidates of some queries, one query at a time, by models that never saw it.

    Returns:
        (N,) scores, NaN at the candidates of other queries; and the median milliseconds of a query.

    """
    fold = folds(len(queries), FOLDS, seed)
    scores = np.full(len(asked.candidates.owner), np.nan, np.float32)
    spent = []
    for number in range(FOLDS):
        learnt = np.isin(asked.candidates.owner, queries[fold != number])
        model = learner(_rows(asked.candidates, learnt), asked.grade[learnt])
        for query in queries[fold == number]:
            held = asked.candidates.owner == query
            started = time.perf_counter()
            with threadpool_limits(1):
                scores[held] = model(_rows(asked.candidates, held))
            spent.append(time.perf_counter() - started)
    return scores, 1000 * float(np.median(spent))


def trees(seed: int) -> Learner:
    """LambdaMART; the number of trees is chosen on queries held out of the fold."""

    def learn(candidates: Candidates, grade: Ints) -> Callable[[Candidates], Floats]:
        stacking = ListStacking(seed)
        stacking.fit(candidates, grade)
        return stacking.score

    return learn


def linear(seed: int) -> Learner:
    """A linear listwise model (ListNet, Cao et al., ICML 2007) on features scaled by query.

    Its L2 penalty is chosen by cross-validation inside the fold.
    """

    def learn(candidates: Candidates, grade: Ints) -> Callable[[Candidates], Floats]:
        queries = np.unique(candidates.owner)
        part = folds(len(queries), INNER_FOLDS, seed)
        x = _scaled(candidates)

        def value(penalty: float) -> float:
            total = 0.0
            for number in range(INNER_FOLDS):
                held = np.isin(candidates.owner, queries[part == number])
                weight = _list_net(x[~held], candidates.owner[~held], grade[~held], penalty)
                total -= _loss(weight, x[held], candidates.owner[held], grade[held])[0]
            return total

        penalty = max(PENALTIES, key=value)
        weight = _list_net(x, candidates.owner, grade, penalty)
        return lambda asked: (_scaled(asked) @ weight).astype(np.float32)

    return learn


def both(seed: int) -> Learner:
    """The mean of trees and linear, each scaled by query."""

    def learn(candidates: Candidates, grade: Ints) -> Callable[[Candidates], Floats]:
        models = [one(seed)(candidates, grade) for one in (trees, linear)]

        def score(asked: Candidates) -> Floats:
            found = np.stack([model(asked) for model in models], 1)
            scaled: Floats = _by_query(found, asked.owner).mean(1)
            return scaled

        return score

    return learn


def _rows(candidates: Candidates, kept: np.ndarray) -> Candidates:
    return Candidates(candidates.owner[kept], candidates.item[kept], candidates.features[kept])


def _scaled(candidates: Candidates) -> Floats:
    return _by_query(np.nan_to_num(candidates.features), candidates.owner)


def _by_query(x_NF: Floats, owner: Ints) -> Floats:
    """Give every feature mean 0 and deviation 1 within a query, cut at TRUNCATED."""
    _, group = np.unique(owner, return_inverse=True)
    count = np.bincount(group)[:, None]
    ends = np.cumsum(count[:, 0])[:-1]
    starts = np.concatenate([[0], ends])
    mean = np.add.reduceat(x_NF, starts) / count
    centred = x_NF - mean[group]
    deviation = np.sqrt(np.add.reduceat(centred**2, starts) / count)
    return np.clip(centred / np.maximum(deviation, 1e-6)[group], -TRUNCATED, TRUNCATED)


def _list_net(x: Floats, owner: Ints, grade: Ints, penalty: float) -> Floats:
    def objective(weight: Floats) -> tuple[float, Floats]:
        loss, slope = _loss(weight, x, owner, grade)
        lists = len(np.unique(owner))
        return loss + penalty * float(weight @ weight) / lists, slope + 2 * penalty * weight / lists

    start = np.zeros(x.shape[1])
    found = scipy.optimize.minimize(objective, start, jac=True, method="L-BFGS-B")
    return np.asarray(found.x)


def _loss(weight: Floats, x: Floats, owner: Ints, grade: Ints) -> tuple[float, Floats]:
    """Cross-entropy between gains and the softmax of scores, mean over queries; and its slope."""
    _, group = np.unique(owner, return_inverse=True)
    starts = np.searchsorted(group, np.arange(group[-1] + 1))
    gain = 2.0**grade - 1
    total = np.add.reduceat(gain, starts)
    target = gain / np.maximum(total, 1e-9)[group]
    scores = x @ weight
    scores = scores - np.maximum.reduceat(scores, starts)[group]
    log_p = scores - np.log(np.add.reduceat(np.exp(scores), starts))[group]
    useful = (total > 0)[group]
    lists = max(int((total > 0).sum()), 1)
    loss = -float(np.sum(target * log_p)) / lists
    slope = x.T @ (np.where(useful, np.exp(log_p), 0.0) - target) / lists
    return loss, slope
