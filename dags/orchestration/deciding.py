"""Whether a training is due, from what started the run; shared by the DAGs that start one."""

from typing import Any

from airflow.sdk import Context

from components.platform.application import Application
from orchestration.assets import drift
from orchestration.registry import final, policy
from orchestration.skipping import skip


def due(application: Application, context: Context) -> dict[str, Any]:
    """Return the conf of the training that is due.

    Raises:
        AirflowSkipException: none is.

    """
    from components.platform.progress import say
    from components.platform.retraining import champion_of, decide, read_fed_back, window_end

    params = context["params"]
    with final():
        champion, overrides = champion_of(policy(application))
        fed_back = read_fed_back(params["feedback"], window_end(application, champion))
        decision = decide(
            application,
            champion,
            overrides,
            fed_back,
            source=params["feedback"],
            floor=params["min_purchases"],
            asked_for=_asked_for(application, context),
        )
    say(decision.reason)
    if decision.conf is None:
        skip(context, decision.reason)
    return decision.conf


def refreshed(application: Application, conf: dict[str, Any]) -> dict[str, Any]:
    """Return the conf of a training that fits the leading model alone, as the champion's is."""
    from components.platform.retraining import champion_of, of

    with final():
        champion, _ = champion_of(policy(application))
        refresh = of(application).refresh
    assert champion is not None  # without one nothing was due
    assert refresh is not None  # else the application has no such DAG
    return conf | dict(refresh(champion))


def _asked_for(application: Application, context: Context) -> str | None:
    """Return drift or a person; None where the arrival of feedback started the run."""
    events = context.get("triggering_asset_events") or {}
    if not events:
        return "by hand"
    alarm = drift(application)
    return "drift" if any(asset.name == alarm.name for asset in events) else None
