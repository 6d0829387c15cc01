"""The DAG `training`: the pipeline of dvc.yaml, one task a stage, in a workspace of its own."""

from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, TaskGroup, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from components.platform.errors import ParamsError, RegistryError
from components.shop_ranking.params import load_params
from orchestration.assets import CHALLENGER, PREPARED_DATA
from orchestration.cores import threads
from orchestration.form import trigger_form
from orchestration.graph import load_pipeline
from orchestration.runs import folder, origin
from orchestration.stage_operator import StageOperator

ROOT = Path(__file__).resolve().parents[1]
PIPELINE = load_pipeline(ROOT / "dvc.yaml")

OUTLETS = {"data_preparation": [PREPARED_DATA], "model_registration": [CHALLENGER]}

# Group of tasks -> its stages, and the longest that one of them may take.
GROUPS = {
    "data": (("data_acquisition", "data_ingestion", "data_preparation"), timedelta(hours=2)),
    "pretraining": (
        (
            "behaviour_pretraining",
            "text_pretraining",
            "image_pretraining",
            "baseline_training",
            "champion_ranking",
        ),
        timedelta(hours=12),
    ),
    "fusion": (("fusion_training",), timedelta(hours=6)),
    "registration": (("evaluation", "model_registration"), timedelta(hours=1)),
}

DOC = """
Trains the three towers, fuses them, compares the result with the baselines and registers it.

The tasks are the stages of `dvc.yaml`. Each runs `dvc repro --single-item` in the run's own
workspace, so a stage whose inputs, params and code did not change is taken from the cache. A stage
that refuses its input or params fails at once; other failures are tried once more.

**Trigger** it with the form: what is left as it is comes from `params.yaml`. By REST the same names
go into `conf`, and any other path of `params.yaml` too, e.g. `{"preparation.fit_cuts": 3}`.

The task `publish` pushes the outputs to S3 and writes an MLflow run called `pipeline <run id>`,
whose description says how to rebuild this run.
"""


@task(execution_timeout=timedelta(minutes=10))
def workspace() -> str:
    """Copy the code, write the run's params, delete workspaces of old runs; return the folder."""
    import os

    from orchestration.workspace import create, prune

    run = get_current_context()["dag_run"]
    try:
        made = create(ROOT, run.run_id, run.conf or {})
    except (ParamsError, RegistryError) as error:
        raise AirflowFailException(str(error)) from error  # trying again would not help
    prune(int(os.environ.get("SHOPFUSION_KEEP_RUNS", "5")), run.run_id)
    return str(made)


@task(execution_timeout=timedelta(minutes=30))
def publish() -> str:
    """Push outputs to the DVC remote, log params.yaml, dvc.lock and the code to MLflow."""
    from orchestration.publishing import publish as published

    return published(get_current_context()["dag_run"].run_id)


def stage_task(name: str, timeout: timedelta) -> StageOperator:
    """Return the task that brings one stage of dvc.yaml up to date."""
    stage = PIPELINE.stages[name]
    return StageOperator(
        task_id=name,
        stage=name,
        workspace="{{ folder(run_id) }}",
        environment={
            "SHOPFUSION_RUN_ID": "{{ run_id }}",
            "SHOPFUSION_GIT_REVISION": "{{ origin(run_id).git_revision }}",
            "OMP_NUM_THREADS": f"{{{{ threads({PIPELINE.beside(name)}) }}}}",
        },
        do_xcom_push=False,
        doc=stage.description,
        outlets=OUTLETS.get(name, []),
        execution_timeout=timeout,
    )


with DAG(
    "training",
    description="From raw data to a registered fused ranker",
    schedule=None,
    max_active_runs=1,  # a run uses every core
    params=trigger_form(load_params(ROOT / "params.yaml")),
    default_args={
        "owner": "shopfusion",
        "retries": 1,
        "retry_delay": timedelta(seconds=10),
    },
    user_defined_macros={"folder": folder, "origin": origin, "threads": threads},
    tags=["training", "shopfusion"],
    doc_md=DOC,
) as dag:
    first, last = workspace(), publish()
    tasks: dict[str, StageOperator] = {}
    for group, (stages, timeout) in GROUPS.items():
        with TaskGroup(group, prefix_group_id=False):
            tasks |= {name: stage_task(name, timeout) for name in stages}
    for earlier, later in PIPELINE.edges:
        tasks[earlier] >> tasks[later]
    for done in tasks.values():
        if not done.upstream_task_ids:
            first >> done
        if not done.downstream_task_ids:
            done >> last
