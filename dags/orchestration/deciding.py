"""Whether a training is due, from what started the run; shared by the DAGs that start one."""

from typing import Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from orchestration.assets import DRIFT
from orchestration.registry import final, policy


def due(context: Context) -> dict[str, Any]:
    """Return the conf of the training that is due.

    Raises:
        AirflowSkipException: none is.

    """
    from components.platform.progress import say
    from components.platform.retraining import champion_of, decide, read_fed_back, window_end

    params = context["params"]
    with final():
        champion, overrides = champion_of(policy())
        fed_back = read_fed_back(params["feedback"], window_end(champion))
        found = decide(
            champion,
            overrides,
            fed_back,
            source=params["feedback"],
            floor=params["min_purchases"],
            asked_for=_asked_for(context),
        )
    say(found.reason)
    if found.conf is None:
        raise AirflowSkipException(found.reason)
    return found.conf


def refreshed(conf: dict[str, Any]) -> dict[str, Any]:
    """Return the conf of a training that fits the fusion alone, as the champion's is."""
    from components.platform.retraining import champion_of, refresh

    with final():
        champion, _ = champion_of(policy())
    assert champion is not None  # without one nothing was due
    return conf | refresh(champion)


def _asked_for(context: Context) -> str | None:
    """Return drift or a person; None where the arrival of feedback started the run."""
    events = context.get("triggering_asset_events") or {}
    if not events:
        return "by hand"
    return "drift" if any(asset.name == DRIFT.name for asset in events) else None
