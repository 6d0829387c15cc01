"""The DAG `feedback_ingestion`: every night, what came of what the server showed."""

from datetime import datetime, timedelta

from airflow.sdk import DAG, Param, get_current_context, task
from airflow.timetables.interval import CronDataIntervalTimetable

from orchestration.assets import FEEDBACK
from orchestration.skipping import skip

DOC = """
Reads the segments of events that the server sent to S3, and writes a partition a day: events,
labelled impressions, online metrics, quarantine and an account of every row. See docs/feedback.md.

A partition is computed from all segments that speak of its time and replaced whole: run it again,
late or **backfill** it over any range of dates, the result is the same. Days that new segments
speak of are always brought up to date too.

**Trigger** it with a day (in a replay of the past: a day of the data), or without for whatever is
new. It announces the asset `feedback` unless no partition was written.
"""


@task(outlets=[FEEDBACK], execution_timeout=timedelta(hours=2))
def ingest() -> list[str]:
    """Write the day's partition and those that new segments touch; return their days."""
    from datetime import date

    from orchestration.feeding import ingest as ingested

    context = get_current_context()
    chosen, start = context["params"]["day"], context.get("data_interval_start")
    scheduled = context["dag_run"].run_type in {"scheduled", "backfill"}
    day = date.fromisoformat(chosen) if chosen else None
    if day is None and scheduled and start:
        day = start.date()
    written = ingested(day)  # a store that is away may be back at the next attempt
    if not written:
        skip(context, "no segment is new")
    return written


@task(execution_timeout=timedelta(hours=1))
def counterfactual() -> int:
    """Ask every challenger what it would have shown in the place of logged answers."""
    from orchestration.feeding import counterfactual as asked_again

    return asked_again()


@task(execution_timeout=timedelta(hours=1))
def judge() -> list[str]:
    """Estimate off policy what challengers would have earned; return a line for each."""
    from orchestration.feeding import judge as judged

    return judged()


with DAG(
    "feedback_ingestion",
    description="From events to labelled impressions and online metrics",
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=datetime(2017, 1, 1),  # the first day of the packaged data, for backfills
    catchup=False,
    max_active_runs=1,  # two runs may touch one partition
    params={
        "day": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Day",
            description="Partition that is written whatever is new; empty for what is new alone",
        ),
    },
    default_args={"owner": "shopfusion", "retries": 2, "retry_delay": timedelta(seconds=30)},
    tags=["feedback", "shopfusion"],
    doc_md=DOC,
) as dag:
    ingest() >> counterfactual() >> judge()
