"""When to train again, and on what: policy only, no work.

A retraining is a run of the ordinary pipeline with other params: those of the champion's run, the
window moved to the end of what was fed back, and feedback in the place of the raw data of that
time. The test targets take the last horizon of it; a final cut brings what was tested up to the
window's end, else a challenger would know less of the shop than the champion it is to follow.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from components.platform import schemas, tracking
from components.platform.errors import RegistryError
from components.platform.feedback.served_events import orders_of, read_feedback, snapshot
from components.platform.files import scratch_folder
from components.platform.registry.policy import Policy
from components.platform.tracking import Version

# Baselines of a refresh's leaderboard: those that cost seconds. Its gate reads the champion alone.
COUNTED = ("popularity", "personal-frequency", "decayed-frequency")
# What a run was told that is of its own window, or of a refresh.
OWN = (
    "retrain",
    "warm_start",
    "preparation.validation_cut",
    "preparation.test_cut",
    "baselines.ranked",
    "fusion.only",
)


@dataclass(frozen=True)
class FedBack:
    """What has come back since the champion learnt."""

    purchases: int  # lines bought since then
    last_day: date | None  # that is over: the next one has begun


@dataclass(frozen=True)
class Decision:
    """Whether to train, in words, and the run's conf if so."""

    reason: str
    conf: dict[str, Any] | None


def decide(
    champion: Version | None,
    overrides: Mapping[str, Any],
    fed_back: FedBack,
    *,
    source: str,
    floor: int,
    asked_for: str | None,
) -> Decision:
    """Decide about a training.

    Args:
        champion: its tags name dataset, window and pipeline run; None where there is none.
        overrides: what the champion's run was told beyond params.yaml.
        fed_back: what came back since.
        source: of the feedback, as data.feedback names it.
        floor: purchases since the champion's window that make a training worth while by itself.
        asked_for: why somebody wants one whatever the floor says (drift, a person); None for the
            arrival of feedback alone.

    """
    if champion is None:
        return Decision("there is no champion to go on from: run the DAG training", None)
    if asked_for is None and fed_back.purchases < floor:
        return Decision(f"{fed_back.purchases:,} new purchases, fewer than {floor:,}", None)
    conf = dict(overrides) | {"data.dataset": champion.tags["dataset"]}
    for own in OWN:
        conf.pop(own, None)
    if fed_back.last_day is not None:
        end, earliest = fed_back.last_day + timedelta(days=1), earliest_end(champion)
        if end < earliest:
            return Decision(
                f"a window until {end} begins before the champion's towers had learnt: they can "
                f"go on in one until {earliest}; wait for feedback, or run the DAG training",
                None,
            )
        conf["data.feedback"] = source
        conf["preparation.final_cut"] = True
        conf["preparation.as_of"] = end.isoformat()
    why = asked_for or f"{fed_back.purchases:,} new purchases, at least {floor:,}"
    return Decision(why, conf)


def earliest_end(champion: Version) -> date:
    """Return the first day at which a window can end that the champion's towers go on in.

    Its cuts lie one horizon apart before its end, and the first must not be before the champion's
    first: no tower knows the future of a cut that it makes vectors for.
    """
    days = [
        date.fromisoformat(day)
        for name, day in champion.tags.items()
        if name.startswith("cut_") and name != "cut_final"
    ]
    return min(days) + timedelta(days=int(champion.tags["horizon_days"])) * len(days)


def refresh(champion: Version) -> dict[str, Any]:
    """Return what makes a training a refresh: the champion's towers, and its way of fusion alone.

    A champion that was registered before versions carried the tag says no way: then all are fitted.
    """
    return {
        "retrain": [],
        "baselines.ranked": list(COUNTED),
        "fusion.only": champion.tags.get(tracking.FUSION),
    }


def read_fed_back(source: str, since: date | None) -> FedBack:
    """Count what was bought on and after a day, and find the last day that is over.

    Raises:
        DataError, StorageError: the source cannot be read.

    """
    with scratch_folder() as scratch:
        snapshot(source, scratch)
        feedback = read_feedback(scratch)
    if feedback is None or not feedback.events.num_rows:
        return FedBack(0, None)
    bought = orders_of(feedback)["timestamp"]
    if since is not None:
        start = datetime.combine(since, time(), UTC)
        bought = bought.filter(pc.greater_equal(bought, pa.scalar(start, schemas.UTC)))
    newest = pc.max(feedback.events["timestamp"]).as_py().date()
    return FedBack(len(bought), newest - timedelta(days=1))


def champion_of(policy: Policy) -> tuple[Version | None, dict[str, Any]]:
    """Return the champion, and what its pipeline run was told beyond params.yaml.

    Raises:
        RegistryError: MLflow does not answer.

    """
    import yaml

    champion = tracking.version_at(policy.leading, policy.aliases.champion)
    if champion is None:
        return None, {}
    tags = tracking.run_tags("pipeline", champion.tags["pipeline_run"])
    found = yaml.safe_load(tags.get("overrides", "{}"))
    if not isinstance(found, dict):
        raise RegistryError("overrides as a mapping", repr(found)[:80], "train by hand")
    return champion, found


def window_end(champion: Version | None) -> date | None:
    """Return the first day that the champion's run had no data of; None where that is unknown."""
    if champion is None:
        return None
    as_of = champion.tags.get("data_as_of", "all")
    if as_of != "all":
        return date.fromisoformat(as_of)
    return date.fromisoformat(champion.tags["cut_test"]) + timedelta(
        days=int(champion.tags["horizon_days"])
    )
