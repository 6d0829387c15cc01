"""Each application's rollback: the champion before this one serves again."""

from datetime import timedelta

from airflow.sdk import DAG, task

from components.applications import APPLICATIONS, application
from orchestration.registry import final, policy

DOC = """
**Trigger** it: `champion` and `previous` change places, whoever made the champion, this platform
or a person in MLflow's pages. Triggered again, it goes forth again. The server follows the alias
by itself.
"""


@task(execution_timeout=timedelta(minutes=10))
def rollback(name: str) -> dict[str, str | float]:
    """Let the aliases change places; return who is champion now, and how long it took."""
    import time

    from components.platform.progress import say
    from components.platform.promotion import champions
    from components.platform.promotion import rollback as rolled_back

    started = time.monotonic()
    with final():
        rules = policy(application(name))
        rolled_back(rules)
        now = champions(rules)  # read back: what a server sees
    seconds = round(time.monotonic() - started, 2)
    assert now.champion is not None
    assert now.previous is not None
    say(f"champion {now.champion.version}, previous {now.previous.version}, after {seconds} s")
    return {
        "champion": now.champion.version,
        "previous": now.previous.version,
        "seconds": seconds,
    }


for each in APPLICATIONS:
    with DAG(
        f"{each.name}_rollback",
        description=f"{each.title}: back to the previous champion",
        schedule=None,
        catchup=False,
        max_active_runs=1,
        default_args={"owner": "shopfusion"},
        tags=["registry", each.name],
        doc_md=DOC,
    ):
        rollback(each.name)
