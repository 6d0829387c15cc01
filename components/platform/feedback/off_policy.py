"""Off-policy value: what another policy would have earned, from what this one showed and logged.

Each logged slot i has a reward r_i, the probability mu_i with which the logging policy showed its
item there, and the probability pi_i with which the other policy would have. With w_i = pi_i / mu_i

- SNIPS (Swaminathan and Joachims 2015):  sum w r / sum w
- doubly robust (Dudik, Langford, Li 2011):  mean of  q(pi) + w (r - q)

where q is a guess of the reward. Slots of one answer depend on each other, so intervals are those
of means over answers (linearised, clustered). Both are of the item-position kind (Li et al. 2018):
a slot's reward depends on its item and position, not on its neighbours.
"""

import json
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.platform import storage
from components.platform.params import FeedbackParams

Floats = npt.NDArray[np.float64]
Z = 1.959963984540054  # 95 %
PREFIX = "counterfactual/"  # in S3: files of schemas.COUNTERFACTUAL below a folder a model version
VALUES = "feedback/off_policy.json"  # in S3: {model version: what the logs say of it}


def counterfactual_key(version: str) -> str:
    """Return the object in S3 with a version's counterfactual answers (schemas.COUNTERFACTUAL)."""
    return f"{PREFIX}{version}/answers.parquet"


def concluded() -> dict[str, str]:
    """Return what feedback ingestion concluded last of each version, a line each.

    Raises:
        StorageError: S3 cannot be reached.

    """
    values = json.loads(storage.get(VALUES)) if storage.stored(VALUES) else {}
    return {version: str(value["conclusion"]) for version, value in values.items()}


@dataclass(frozen=True)
class Estimate:
    """A value a slot with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class OffPolicyValue:
    """What the logs say of another policy, or why they say nothing."""

    slots: int
    answers: int
    effective_samples: float  # (sum of an answer's weights)^2 / sum of squares
    mean_weight: float  # 1 in expectation where the logs cover what the other policy shows
    logged: float  # reward a slot of the policy that logged
    snips: Estimate | None  # None: nothing can be concluded
    doubly_robust: Estimate | None
    refused: str | None  # why


def off_policy_value(
    reward: Floats,
    logged: Floats,
    target: Floats,
    answer: npt.NDArray[Any],
    guess: Floats,
    guess_target: Floats,
    params: FeedbackParams,
) -> OffPolicyValue:
    """Estimate the reward a slot of a policy from N logged slots.

    Args:
        reward: (N,) what each slot earned.
        logged: (N,) probability in (0, 1] with which the logging policy showed this item there.
        target: (N,) probability with which the other policy would have.
        answer: (N,) the answer that each slot belongs to.
        guess: (N,) q of the item that was shown.
        guess_target: (N,) q of what the other policy shows there, averaged over its items.
        params: floor of effective samples below which nothing is concluded, and of coverage.

    """
    w = target / logged
    _, group = np.unique(answer, return_inverse=True)
    answers = int(group.max(initial=-1)) + 1
    by_answer = np.bincount(group, w, answers)
    squares = float((by_answer**2).sum())
    effective = float(by_answer.sum()) ** 2 / squares if squares > 0 else 0.0
    mean_weight = float(w.mean()) if len(w) else 0.0
    refused = _refusal(w, group, answers, effective, params)
    snips = robust = None
    if refused is None:
        value = float((w * reward).sum() / w.sum())
        snips = _estimate(value, w * (reward - value) / mean_weight, group, answers)
        each = guess_target + w * (reward - guess)
        robust = _estimate(float(each.mean()), each - each.mean(), group, answers)
    mean = float(reward.mean()) if len(reward) else 0.0
    return OffPolicyValue(len(w), answers, effective, mean_weight, mean, snips, robust, refused)


def _refusal(
    w: Floats, group: npt.NDArray[Any], answers: int, effective: float, params: FeedbackParams
) -> str | None:
    floor = params.min_effective_samples
    if effective < floor:
        return f"{effective:.0f} effective samples, fewer than {floor:.0f}"
    error = _standard_error(w - w.mean(), group, answers)
    if w.mean() < 1 - 3 * error - params.uncovered_share:
        return (
            f"the logs cover {w.mean():.0%} of what the other policy shows; "
            "the rest was never tried"
        )
    return None


def _standard_error(influence: Floats, group: npt.NDArray[Any], answers: int) -> float:
    """Return the standard error of a mean over slots whose answers are independent."""
    sums = np.bincount(group, influence, answers)
    return float(np.sqrt((sums**2).sum() * answers / max(answers - 1, 1)) / len(influence))


def _estimate(value: float, influence: Floats, group: npt.NDArray[Any], answers: int) -> Estimate:
    half = Z * _standard_error(influence, group, answers)
    return Estimate(value, value - half, value + half)


def challenger_value(
    labelled: pa.Table, counterfactual: pa.Table, params: FeedbackParams
) -> OffPolicyValue:
    """Estimate the click share a slot of a challenger.

    q of an item at a position is the share of clicks there, times how much more than expected the
    item is clicked; learnt in one half of the answers and used in the other, so that no reward
    guesses itself.

    Args:
        labelled: schemas.LABELLED, slots of campaigns left out by the caller if they are of no
            interest; rows without propensity or position are left out here.
        counterfactual: schemas.COUNTERFACTUAL, what the challenger would have shown, for answers in
            `labelled`; answers without any are left out.
        params: floor of effective samples, and the doubt in an item's own click share.

    """
    con = duckdb.connect()
    con.register("labelled", labelled)
    con.register("counterfactual", counterfactual)
    con.execute(
        """create temp table slots as
        select impression_id, position, item_id, clicked::double as reward,
            propensity::double as logged, hash(impression_id) % 2 as half
        from labelled where propensity > 0 and position is not null
            and impression_id in (select impression_id from counterfactual)"""
    )
    con.execute(
        """create temp table by_place as
        select half, position, avg(reward) as share from slots group by all"""
    )
    con.execute(
        """create temp table by_item as
        select half, item_id, (sum(reward) + $1 * avg(share)) / nullif(sum(share)
            + $1 * avg(share), 0) as factor
        from slots join by_place using (half, position) group by all""",
        [params.prior_impressions],
    )
    slots = con.execute(
        """with guesses as (
            select s.impression_id, s.position, p.share from slots as s
            join by_place as p on p.half = 1 - s.half and p.position = s.position),
        wanted as (
            select c.impression_id, c.position,
                sum(c.probability * g.share * coalesce(f.factor, 1)) as guess_target
            from counterfactual as c join guesses as g using (impression_id, position)
            left join by_item as f
                on f.half = 1 - hash(c.impression_id) % 2 and f.item_id = c.item_id
            group by all)
        select s.impression_id, s.reward, s.logged, coalesce(c.probability, 0) as target,
            g.share * coalesce(f.factor, 1) as guess, coalesce(w.guess_target, 0) as guess_target
        from slots as s
        join guesses as g on g.impression_id = s.impression_id and g.position = s.position
        left join by_item as f on f.half = 1 - s.half and f.item_id = s.item_id
        left join counterfactual as c on c.impression_id = s.impression_id
            and c.position = s.position and c.item_id = s.item_id
        left join wanted as w on w.impression_id = s.impression_id and w.position = s.position
        order by s.impression_id, s.position"""
    ).to_arrow_table()
    columns = {name: slots[name].to_numpy() for name in slots.column_names}
    return off_policy_value(
        columns["reward"],
        columns["logged"],
        columns["target"],
        columns["impression_id"],
        columns["guess"],
        columns["guess_target"],
        params,
    )
