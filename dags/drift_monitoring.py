"""Each application's drift: every Monday, is last week unlike what the champion was trained on?"""

from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import DAG, CronDataIntervalTimetable, Param, get_current_context, task

from components.applications import APPLICATIONS, application
from components.platform.errors import ParamsError
from orchestration.assets import drift
from orchestration.registry import final
from orchestration.skipping import skip

DOC = """
Compares one week with the weeks before the champion's day, in every statistic that the application
watches. The report goes to Evidently, project `drift: <application>, <dataset>`; a week that is
run again replaces its report.

**Trigger** it with a week, or without for the last complete week there is; **backfill** it over
any range of dates. An alarm is a line in the log of `alert`, a post to `SHOPFUSION_DRIFT_WEBHOOK`
where that is set, and the asset `<application>_drift`, which starts the retraining.
"""


@task(execution_timeout=timedelta(hours=1))
def measure(name: str) -> list[str]:
    """Judge the week, write its report, return a line for every alarm."""
    from datetime import date

    from orchestration.monitoring import measure as measured

    context = get_current_context()
    chosen, start = context["params"]["week"], context.get("data_interval_start")
    scheduled = context["dag_run"].run_type in {"scheduled", "backfill"}
    week = date.fromisoformat(chosen) if chosen else None
    if week is None and scheduled and start:
        week = start.date()
    with final():
        try:
            alarms = measured(application(name), week, context["params"]["feedback"])
        except ParamsError as error:
            if scheduled:  # the data of a replay, say, is of another year
                skip(context, str(error))
            raise
    if alarms is None:
        skip(context, "there is no champion yet")
    return alarms


@task(execution_timeout=timedelta(minutes=5))
def alert(alarms: list[str]) -> list[str]:
    """Raise the alarm; skipped, and without an asset event, where there is none."""
    from components.platform.drift.alert import raise_alarm

    if not alarms:
        skip(get_current_context(), "no statistic is beyond its threshold")
    raise_alarm(alarms)
    return alarms


for each in (owner for owner in APPLICATIONS if owner.statistics is not None):
    with DAG(
        f"{each.name}_drift_monitoring",
        description=f"{each.title}: is last week unlike what the champion was trained on?",
        schedule=CronDataIntervalTimetable("0 0 * * 1", timezone="UTC"),  # Monday to Monday
        start_date=datetime(2017, 1, 2),  # the first Monday of the packaged data, for backfills
        catchup=False,
        max_active_runs=1,
        params={
            "week": Param(
                None,
                type=["null", "string"],
                format="date",
                title="Week",
                description="Any day of the week; empty for the last complete one",
            ),
            "feedback": Param(
                "s3:feedback/",
                type=["null", "string"],
                title="Feedback",
                description="Fed back partitions: a folder, or s3: and a prefix; empty for none",
            ),
        },
        default_args={"owner": "shopfusion", "retries": 1, "retry_delay": timedelta(seconds=10)},
        tags=["monitoring", each.name],
        doc_md=DOC,
    ):
        alarms: Any = measure(each.name)
        alert.override(outlets=[drift(each)])(alarms)
