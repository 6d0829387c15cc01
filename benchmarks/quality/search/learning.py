"""Learnt fusion, judged by cross-validation over queries: no query helps to rank itself."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.optimize
from threadpoolctl import threadpool_limits

from benchmarks.quality.search.signals import Asked
from components.shop_ranking.engine.towers.item_orders import Floats, Ints
from components.shop_ranking.engine.towers.list_stacking import Candidates, ListStacking

FOLDS, INNER_FOLDS = 5, 4
CHOOSING_FOLDS = 2  # inside a fold, to choose the learner: every fold more is minutes more
PENALTIES = (0.3, 3.0, 30.0)  # of the linear model, chosen inside each fold
TRUNCATED = 2.5  # deviations: one extreme value must not decide

# Candidates and grades to learn from -> a scorer of candidates.
Scorer = Callable[[Candidates], Floats]
Learner = Callable[[Candidates, Ints], Scorer]
Measure = Callable[[int, Ints], float]  # a query and its documents, best first -> their worth


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

    def learn(candidates: Candidates, grade: Ints) -> Scorer:
        stacking = ListStacking(seed)
        stacking.fit(candidates, grade)
        return stacking.score

    return learn


def linear(seed: int) -> Learner:
    """A linear listwise model (ListNet, Cao et al., ICML 2007) on features scaled by query.

    Its L2 penalty is chosen by cross-validation inside the fold.
    """

    def learn(candidates: Candidates, grade: Ints) -> Scorer:
        queries = np.unique(candidates.owner)
        part = folds(len(queries), INNER_FOLDS, seed)
        x, owner = _scaled(candidates), candidates.owner
        pairs = []
        for number in range(INNER_FOLDS):
            held = np.isin(owner, queries[part == number])
            if held.any() and not held.all():
                parts = (_Lists.of(x[rows], owner[rows], grade[rows]) for rows in (~held, held))
                pairs.append(tuple(parts))

        def value(penalty: float) -> float:
            return -sum(held.loss(_list_net(learnt, penalty))[0] for learnt, held in pairs)

        penalty = max(PENALTIES, key=value)
        weight = _list_net(_Lists.of(x, owner, grade), penalty)
        return lambda asked: (_scaled(asked) @ weight).astype(np.float32)

    return learn


def both(learners: Sequence[Learner]) -> Learner:
    """The mean of several learners, each scaled by query."""

    def learn(candidates: Candidates, grade: Ints) -> Scorer:
        models = [learner(candidates, grade) for learner in learners]

        def score(asked: Candidates) -> Floats:
            predicted = np.stack([model(asked) for model in models], 1)
            scaled: Floats = _by_query(predicted, asked.owner).mean(1)
            return scaled

        return score

    return learn


class Chosen:
    """The learner that cross-validation inside the given queries finds best (nested, Stone 1974).

    So that no query which a ranking is judged by has a say in what ranks it.
    """

    def __init__(self, learners: Mapping[str, Learner], measure: Measure, seed: int) -> None:
        self.learners, self.measure, self.seed = dict(learners), measure, seed
        self.picked: Counter[str] = Counter()

    def __call__(self, candidates: Candidates, grade: Ints) -> Scorer:
        """Choose, and learn from all that is given."""
        queries = np.unique(candidates.owner)
        part = folds(len(queries), CHOOSING_FOLDS, self.seed)
        reached = dict.fromkeys(self.learners, 0.0)
        for number in range(CHOOSING_FOLDS):
            held = np.isin(candidates.owner, queries[part == number])
            shown = _rows(candidates, held)
            for name, learner in self.learners.items():
                scores = learner(_rows(candidates, ~held), grade[~held])(shown)
                reached[name] += self._worth(shown, scores)
        name = max(reached, key=lambda candidate: reached[candidate])
        self.picked[name] += 1
        return self.learners[name](candidates, grade)

    def _worth(self, shown: Candidates, scores: Floats) -> float:
        total = 0.0
        for query in np.unique(shown.owner):
            own = shown.owner == query
            ranked = shown.item[own][np.argsort(-scores[own], kind="stable")]
            total += self.measure(int(query), ranked)
        return total


def remembered(learner: Learner) -> Learner:
    """Learn once from the same queries: learners that are made of others share their models."""
    known: dict[bytes, Scorer] = {}

    def learn(candidates: Candidates, grade: Ints) -> Scorer:
        key = np.unique(candidates.owner).tobytes()
        if key not in known:
            known[key] = learner(candidates, grade)
        return known[key]

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


@dataclass(frozen=True)
class _Lists:
    """Candidates of several queries as ListNet reads them."""

    x: Floats  # (N, F)
    group: Ints  # (N,) list
    starts: Ints  # (lists,)
    target: Floats  # (N,) share of the list's gain
    useful: Floats  # (N,) 1 in lists with any gain

    @classmethod
    def of(cls, x: Floats, owner: Ints, grade: Ints) -> "_Lists":
        group = np.unique(owner, return_inverse=True)[1]
        starts = np.searchsorted(group, np.arange(group[-1] + 1))
        gain = 2.0**grade - 1
        total = np.add.reduceat(gain, starts)
        target = gain / np.maximum(total, 1e-9)[group]
        return cls(x, group, starts, target, (total > 0)[group].astype(np.float64))

    def loss(self, weight: Floats) -> tuple[float, Floats]:
        """Cross-entropy of gains and the softmax of scores, mean over useful lists; its slope."""
        scores = self.x @ weight
        scores = scores - np.maximum.reduceat(scores, self.starts)[self.group]
        power = np.exp(scores)
        total = np.add.reduceat(power, self.starts)
        log_p = scores - np.log(total)[self.group]
        lists = max(int(self.useful[self.starts].sum()), 1)
        slope = self.x.T @ (self.useful * power / total[self.group] - self.target) / lists
        return -float(np.sum(self.target * log_p)) / lists, slope


def _list_net(lists: _Lists, penalty: float) -> Floats:
    def objective(weight: Floats) -> tuple[float, Floats]:
        loss, slope = lists.loss(weight)
        count = len(lists.starts)
        return loss + penalty * float(weight @ weight) / count, slope + 2 * penalty * weight / count

    start = np.zeros(lists.x.shape[1])
    minimum = scipy.optimize.minimize(objective, start, jac=True, method="L-BFGS-B")
    return np.asarray(minimum.x)
