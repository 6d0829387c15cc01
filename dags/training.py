"""Each application's training: its stages of dvc.yaml, one task each, in a workspace of the run."""

from datetime import timedelta

from airflow.sdk import DAG, TaskGroup, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from components.applications import APPLICATIONS, application
from components.platform.application import Application
from components.platform.errors import ParamsError, RegistryError
from orchestration.assets import asset
from orchestration.cores import threads
from orchestration.form import trigger_form
from orchestration.graph import Pipeline, load_pipeline
from orchestration.registry import ROOT, params
from orchestration.runs import folder, origin, pipeline_run
from orchestration.stage_operator import StageOperator

PIPELINE = load_pipeline(ROOT / "dvc.yaml", [owner.name for owner in APPLICATIONS])

DOC = """
Trains the models of an application, compares the result with the baselines and registers it.

The tasks are its stages of `dvc.yaml`. Each runs `dvc repro --single-item` in the run's own
workspace, so a stage whose inputs, params and code did not change is taken from the cache. A stage
that refuses its input or params fails at once; other failures are tried once more.

**Trigger** it with the form: what is left as it is comes from `params.yaml`. By REST the same names
go into `conf`, and any other path of `params.yaml` too, e.g. `{"preparation.fit_cuts": 3}`.

The task `publish` pushes the outputs to S3 and writes the MLflow run
`pipeline <dag id>/<run id>`, whose description says how to rebuild this run.
"""


@task(execution_timeout=timedelta(minutes=10))
def workspace(name: str) -> str:
    """Copy the code, write the run's params, delete workspaces of old runs; return the folder."""
    import os

    from orchestration.workspace import create, prune

    run = get_current_context()["dag_run"]
    called = pipeline_run(run.dag_id, run.run_id)
    try:
        made = create(application(name), ROOT, called, run.conf or {})
    except (ParamsError, RegistryError) as error:
        raise AirflowFailException(str(error)) from error  # trying again would not help
    prune(int(os.environ.get("SHOPFUSION_KEEP_RUNS", "5")), called)
    return str(made)


@task(execution_timeout=timedelta(minutes=30))
def publish(name: str) -> str:
    """Push outputs to the DVC remote and S3, log params.yaml, dvc.lock and the code to MLflow."""
    from orchestration.publishing import publish as published

    run = get_current_context()["dag_run"]
    return published(application(name), pipeline_run(run.dag_id, run.run_id))


def stage_task(owner: Application, pipeline: Pipeline, name: str) -> StageOperator:
    """Return the task that brings one stage of dvc.yaml up to date."""
    stage, called = pipeline.stages[name], "pipeline_run(dag.dag_id, run_id)"
    return StageOperator(
        task_id=name,
        stage=name,
        workspace=f"{{{{ folder({called}) }}}}",
        environment={
            "SHOPFUSION_RUN_ID": f"{{{{ {called} }}}}",
            "SHOPFUSION_GIT_REVISION": f"{{{{ origin({called}).git_revision }}}}",
            "OMP_NUM_THREADS": f"{{{{ threads({pipeline.beside(name)}) }}}}",
        },
        do_xcom_push=False,
        doc=stage.description,
        outlets=[asset(owner, stage.asset)] if stage.asset else [],
        execution_timeout=stage.limit,
    )


def connect(owner: Application, pipeline: Pipeline) -> None:
    """Make the tasks of an application's stages, with the workspace before and publishing after."""
    first, last = workspace(owner.name), publish(owner.name)
    tasks: dict[str, StageOperator] = {}
    for group, names in pipeline.groups.items():
        with TaskGroup(group, prefix_group_id=False):
            tasks |= {name: stage_task(owner, pipeline, name) for name in names}
    for earlier, later in pipeline.edges:
        tasks[earlier] >> tasks[later]
    for done in tasks.values():
        if not done.upstream_task_ids:
            first >> done
        if not done.downstream_task_ids:
            done >> last


def training(owner: Application) -> DAG:
    """Return the training of an application."""
    with DAG(
        f"{owner.name}_training",
        description=f"{owner.title}: from raw data to a registered challenger",
        schedule=None,
        max_active_runs=1,  # a run uses every core
        params=trigger_form(owner, params(owner)),
        default_args={
            "owner": "shopfusion",
            "retries": 1,
            "retry_delay": timedelta(seconds=10),
        },
        user_defined_macros={
            "folder": folder,
            "origin": origin,
            "pipeline_run": pipeline_run,
            "threads": threads,
        },
        tags=["training", owner.name],
        doc_md=DOC,
    ) as dag:
        connect(owner, PIPELINE.of(owner.name))
    return dag


TRAININGS = {owner.name: training(owner) for owner in APPLICATIONS}
