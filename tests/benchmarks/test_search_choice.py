"""The learner of row 4 is chosen inside the folds."""

import numpy as np

from benchmarks.quality.search.learning import Chosen, both, linear, out_of_fold, remembered
from benchmarks.quality.search.signals import Asked, by_document
from components.shop_ranking.engine.towers.list_stacking import Candidates

QUERIES, EACH = 30, 20


def asked() -> Asked:
    rng = np.random.default_rng(0)
    owner = np.repeat(np.arange(QUERIES), EACH)
    item = np.tile(np.arange(EACH), QUERIES)
    features = rng.normal(size=(QUERIES * EACH, 3)).astype(np.float32)
    grade = np.where(features[:, 1] > 1.0, 3, 0)
    return Asked([], Candidates(owner, item, features), grade, 0.0)


def test_the_learner_that_helps_is_chosen_without_the_fold_that_it_is_judged_by() -> None:
    questions, judged = asked(), []
    backwards = lambda candidates, grade: lambda rows: -rows.features[:, 1]  # noqa: E731

    def measure(query: int, ranked: np.ndarray) -> float:
        judged.append(query)
        return float(questions.grade[questions.candidates.owner == query][ranked[0]] > 0)

    chosen = Chosen({"backwards": backwards, "linear": remembered(linear(0))}, measure, 0)
    scores, _ = out_of_fold(chosen, questions, np.arange(QUERIES), 0)
    assert chosen.picked == {"linear": 5}
    best = scores.reshape(QUERIES, EACH).argmax(1) + EACH * np.arange(QUERIES)
    assert questions.grade[best].mean() > 2.5
    # Each of 5 folds is judged by none of its own queries: 4/5 of them, twice for two learners.
    assert len(judged) == 5 * 2 * QUERIES * 4 // 5

    fold_seen: list[set[int]] = []

    def spying(candidates: Candidates, grade: np.ndarray):
        fold_seen.append(set(candidates.owner.tolist()))
        return lambda rows: (rows.owner * 0).astype(np.float32)

    out_of_fold(Chosen({"spying": spying}, measure, 0), questions, np.arange(QUERIES), 0)
    assert max(map(len, fold_seen)) == QUERIES * 4 // 5


def test_the_same_queries_are_learnt_once() -> None:
    questions, calls = asked(), []

    def counting(candidates: Candidates, grade: np.ndarray):
        calls.append(len(grade))
        return lambda rows: rows.features[:, 1]

    learner = remembered(counting)
    mean = both([learner, learner])
    for _ in range(2):
        mean(questions.candidates, questions.grade)
    assert len(calls) == 1


def test_a_query_vector_goes_to_the_documents_of_its_own_encoder() -> None:
    plain, tuned = np.zeros(2, np.float32), np.ones(2, np.float32)
    scorers = by_document({"": plain, "tuned ": tuned}, ["title", "tuned title", "text"])
    assert scorers["title"] is plain
    assert scorers["text"] is plain
    assert scorers["tuned title"] is tuned
