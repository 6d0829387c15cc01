"""Each application's promotion: a person answers whether the challenger becomes champion."""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, get_current_context, task

from components.applications import APPLICATIONS, application
from orchestration.approval import Approval
from orchestration.assets import challenger
from orchestration.registry import final, policy
from orchestration.skipping import skip

DOC = """
Asks a person, and does what the person answers.

It starts by itself when a training registered a challenger that the gate did not reject, or by
hand for any version. The question stands in **Browse > Required Actions** and shows the gate's
verdict table. *Approve* sets the aliases `champion` and `previous`; *Reject*, or no answer within
the response timeout, leaves everything as it was.

An approval is for the champion that the table compares with: if another one stands there by the
time of the answer, the run fails and says so.
"""


@task(execution_timeout=timedelta(minutes=10))
def question(name: str) -> dict[str, Any]:
    """Return what is asked; skip where there is nothing to ask."""
    from components.platform.registry.approval import ask

    context = get_current_context()
    wanted = context["params"]["version"]
    with final():
        asked = ask(policy(application(name)), str(wanted) if wanted else None)
    if asked is None:
        skip(context, "the challenger is champion already, or the gate rejected it")
    return asked


@task(execution_timeout=timedelta(minutes=10))
def promote(name: str, asked: dict[str, Any]) -> str:
    """Set the aliases; return the new champion's version."""
    from components.platform.progress import say
    from components.platform.promotion import promote as promoted

    with final():
        now = promoted(policy(application(name)), asked["version"], asked["instead_of"])
    assert now.champion is not None
    say(f"champion {now.champion.version}, before {asked['instead_of'] or 'none'}")
    return now.champion.version


for each in APPLICATIONS:
    with DAG(
        f"{each.name}_promotion",
        description=f"{each.title}: from challenger to champion, with a person's approval",
        schedule=[challenger(each)],
        catchup=False,
        params={
            "version": Param(
                None,
                type=["null", "integer"],
                minimum=1,
                title="Version",
                description="Version of the leading model; empty for the one called challenger",
            ),
            "response_timeout": Param(
                4320,
                type="integer",
                minimum=1,
                maximum=43_200,
                title="Response timeout",
                description="Minutes until no answer means reject",
            ),
        },
        default_args={"owner": "shopfusion", "retries": 1, "retry_delay": timedelta(seconds=10)},
        tags=["registry", each.name],
        doc_md=DOC,
    ):
        asked: Any = question(each.name)
        approval = Approval(
            task_id="approval",
            subject="{{ ti.xcom_pull(task_ids='question')['subject'] }}",
            body="{{ ti.xcom_pull(task_ids='question')['body'] }}",
        )
        asked >> approval >> promote(each.name, asked)
