"""When to train again, and on what: policy only, no work.

A retraining is a run of the ordinary pipeline with other params: those of the champion's run, the
window moved to the end of what was fed back, and feedback in the place of the raw data of that
time. What these params are called, the application says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from components.platform import schemas, tracking
from components.platform.application import RETRAIN, WARM_START, Application, Retraining
from components.platform.errors import ParamsError, RegistryError
from components.platform.feedback.served_events import orders_of, read_feedback, snapshot
from components.platform.files import scratch_folder
from components.platform.registry.policy import Policy
from components.platform.tracking import Version


@dataclass(frozen=True)
class FedBack:
    """What has come back since the champion was trained."""

    purchases: int  # lines bought since then
    last_day: date | None  # that is over: the next one has begun


@dataclass(frozen=True)
class Decision:
    """Whether to train, in words, and the run's conf if so."""

    reason: str
    conf: dict[str, Any] | None


def decide(
    application: Application,
    champion: Version | None,
    overrides: Mapping[str, Any],
    fed_back: FedBack,
    *,
    source: str,
    floor: int,
    asked_for: str | None,
) -> Decision:
    """Decide about a training of an application.

    Args:
        application: says what a training on feedback is told.
        champion: the tags name its window and pipeline run; None where there is none.
        overrides: what the champion's run was told beyond params.yaml.
        fed_back: what came back since.
        source: of the feedback: a folder, or s3: and a prefix.
        floor: purchases since the champion's window that make a training worth while by itself.
        asked_for: why somebody wants one whatever the floor says (drift, a person); None for the
            arrival of feedback alone.

    Raises:
        ParamsError: the application does not say how to train on feedback.

    """
    retraining = of(application)
    if champion is None:
        reason = f"there is no champion to go on from: run the DAG {application.name}_training"
        return Decision(reason, None)
    if asked_for is None and fed_back.purchases < floor:
        return Decision(f"{fed_back.purchases:,} new purchases, fewer than {floor:,}", None)
    not_taken_on = {RETRAIN, WARM_START} | retraining.own
    conf = {path: value for path, value in overrides.items() if path not in not_taken_on}
    conf |= retraining.same(champion)
    if fed_back.last_day is not None:
        end, earliest = fed_back.last_day + timedelta(days=1), retraining.earliest_end(champion)
        if end < earliest:
            return Decision(
                f"a window until {end} begins before the champion's first cut: its "
                f"models can go on in one until {earliest}; wait for feedback, or run the DAG "
                f"{application.name}_training",
                None,
            )
        conf |= retraining.window(end, source)
    why = asked_for or f"{fed_back.purchases:,} new purchases, at least {floor:,}"
    return Decision(why, conf)


def of(application: Application) -> Retraining:
    """Return what an application says about a training on feedback.

    Raises:
        ParamsError: it says nothing.

    """
    if application.retraining is None:
        raise ParamsError(
            f"how to train the application {application.name} on feedback",
            "nothing",
            "set retraining in its application.py",
        )
    return application.retraining


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
    overrides = yaml.safe_load(tags.get("overrides", "{}"))
    if not isinstance(overrides, dict):
        raise RegistryError("overrides as a mapping", repr(overrides)[:80], "train by hand")
    return champion, overrides


def window_end(application: Application, champion: Version | None) -> date | None:
    """Return the first day that the champion's run had no data of; None where that is unknown."""
    return of(application).window_end(champion) if champion else None
