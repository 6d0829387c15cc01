"""Off-policy estimates on a logged bandit whose true value is known."""

import numpy as np
import pyarrow as pa
import pytest

from components.platform import schemas
from components.platform.feedback.off_policy import challenger_value, off_policy_value
from components.platform.params.loop import FeedbackParams

ITEMS, SLOTS = 6, 3
APPEAL = np.array([0.30, 0.25, 0.20, 0.10, 0.05, 0.02])
EXAMINED = np.array([1.0, 0.7, 0.5])
# Each slot of an answer is drawn by itself: P(item), by policy.
LOGGING = np.array([0.4, 0.2, 0.1, 0.1, 0.1, 0.1])
TARGET = np.array([0.5, 0.3, 0.2, 0.0, 0.0, 0.0])
TRUE = float(np.mean(EXAMINED) * (TARGET @ APPEAL))
FLOOR = FeedbackParams(min_effective_samples=100)


def logs(answers: int, seed: int, target: np.ndarray = TARGET) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    item = rng.choice(ITEMS, (answers, SLOTS), p=LOGGING)
    mood = rng.gamma(4, 0.25, (answers, 1))  # slots of one answer depend on each other
    chance = np.clip(APPEAL[item] * EXAMINED * mood, 0, 1)
    reward = (rng.random((answers, SLOTS)) < chance).astype(float)
    guess = APPEAL[item] * EXAMINED * 1.5  # a wrong model of the reward
    wanted = (target @ APPEAL) * 1.5 * np.broadcast_to(EXAMINED, item.shape)
    return {
        "reward": reward.ravel(),
        "logged": LOGGING[item].ravel(),
        "target": target[item].ravel(),
        "answer": np.repeat(np.arange(answers), SLOTS),
        "guess": guess.ravel(),
        "guess_target": wanted.ravel(),
    }


@pytest.mark.parametrize("name", ["snips", "doubly_robust"])
def test_95_of_100_intervals_hold_the_true_value(name):
    held, middle = 0, []
    for seed in range(300):
        estimate = getattr(off_policy_value(**logs(600, seed), params=FLOOR), name)
        held += estimate.low <= TRUE <= estimate.high
        middle.append(estimate.value)
    assert 0.91 <= held / 300 <= 0.985
    assert np.mean(middle) == pytest.approx(TRUE, abs=0.003)


def test_the_policy_that_logged_gets_its_own_mean():
    given = logs(500, 0, LOGGING)
    value = off_policy_value(**given, params=FLOOR)
    assert value.snips.value == pytest.approx(given["reward"].mean())
    assert value.effective_samples == pytest.approx(500)
    assert value.mean_weight == pytest.approx(1)


def test_below_the_floor_nothing_is_concluded():
    given = logs(60, 0)
    value = off_policy_value(**given, params=FLOOR)
    assert value.snips is None
    assert value.doubly_robust is None
    assert "fewer than 100" in value.refused
    few = FeedbackParams(min_effective_samples=30)
    assert off_policy_value(**given, params=few).refused is None


def test_what_was_never_tried_is_not_guessed_at():
    given = logs(2000, 0)
    given["target"] = given["target"] * 0.6  # the rest goes to items that nobody was shown
    value = off_policy_value(**given, params=FLOOR)
    assert value.snips is None
    assert "the logs cover 60%" in value.refused or "never tried" in value.refused


def test_no_logs_conclude_nothing():
    empty = {name: column[:0] for name, column in logs(1, 0).items()}
    assert off_policy_value(**empty, params=FLOOR).refused


def test_tables_lead_to_the_same_value():
    """The challenger always shows items 0, 1, 2; exactly known, from labelled rows."""
    rng = np.random.default_rng(4)
    answers = 6000
    item = rng.choice(ITEMS, (answers, SLOTS), p=LOGGING)
    clicked = rng.random((answers, SLOTS)) < APPEAL[item] * EXAMINED
    name = np.char.add("imp-", np.repeat(np.arange(answers), SLOTS).astype(str))
    place = np.tile(np.arange(1, SLOTS + 1), answers)
    rows = {
        "impression_id": name,
        "user_id": name,
        "timestamp": np.zeros(len(name), "datetime64[us]"),
        "item_id": item.ravel().astype(str),
        "position": place,
        "propensity": LOGGING[item].ravel(),
        "clicked": clicked.ravel(),
        "purchased": np.zeros(len(name), bool),
        "revenue": np.zeros(len(name)),
    }
    missing = {f.name: pa.nulls(len(name), f.type) for f in schemas.LABELLED if f.name not in rows}
    labelled = pa.table(
        {
            field.name: pa.array(rows[field.name]) if field.name in rows else missing[field.name]
            for field in schemas.LABELLED
        }
    ).cast(schemas.LABELLED)
    counterfactual = pa.table(
        {
            "impression_id": name,
            "position": place,
            "item_id": (place - 1).astype(str),
            "probability": np.ones(len(name)),
        }
    ).cast(schemas.COUNTERFACTUAL)
    value = challenger_value(labelled, counterfactual, FeedbackParams())
    true = float(np.mean(APPEAL[:3] * EXAMINED))
    for estimate in (value.snips, value.doubly_robust):
        assert estimate.low <= true <= estimate.high
        assert estimate.high - estimate.low < 0.03
    nothing = challenger_value(labelled.slice(0, 0), counterfactual, FeedbackParams())
    assert nothing.snips is None
