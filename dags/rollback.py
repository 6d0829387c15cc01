"""The DAG `rollback`: the champion before this one serves again."""

from datetime import timedelta

from airflow.sdk import DAG, task

from orchestration.registry import final, policy

DOC = """
**Trigger** it: `champion` and `previous` change places, whoever made the champion, this platform
or a person in MLflow's pages. Triggered again, it goes forth again. The server follows the alias
by itself.
"""


@task(execution_timeout=timedelta(minutes=10))
def rollback() -> dict[str, str | float]:
    """Let the aliases change places; return who is champion now, and how long it took."""
    import time

    from components.platform.progress import say
    from components.platform.promotion import champions
    from components.platform.promotion import rollback as rolled_back

    started = time.monotonic()
    with final():
        rolled_back(policy())
        now = champions(policy())  # read back: what a server sees
    seconds = round(time.monotonic() - started, 2)
    assert now.champion is not None
    assert now.previous is not None
    say(f"champion {now.champion.version}, previous {now.previous.version}, after {seconds} s")
    return {
        "champion": now.champion.version,
        "previous": now.previous.version,
        "seconds": seconds,
    }


with DAG(
    "rollback",
    description="Back to the previous champion",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "shopfusion"},
    tags=["registry", "shopfusion"],
    doc_md=DOC,
) as dag:
    rollback()
