"""Runs: what stages log."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import Run

from components.platform.errors import AbsentError
from components.platform.params import Params
from components.platform.settings import settings, writes
from components.platform.tracking.connection import answering, connect


@contextmanager
def stage_run(stage: str, params: Params, section: str | None = None) -> Iterator[str]:
    """Open the MLflow run of one stage; yields its run id.

    The run is tagged with the stage, the dataset and the pipeline run it belongs to, and carries
    the params of `section` (and the seed), so that two runs of a stage can be compared. Of several
    processes that train together only the first one has a run.
    """
    if not writes():
        yield ""
        return
    connect()
    name = f"{stage} {settings().run_id}".rstrip()  # the stage first: lists cut names short
    tags = {
        "stage": stage,
        "pipeline_run": settings().run_id or "none",
        "dataset": params.dataset,
        "simulated": str(params.simulated).lower(),
    }
    with answering(), mlflow.start_run(run_name=name, tags=tags) as run:
        values = getattr(params, section).model_dump(mode="json") if section else {}
        mlflow.log_params({"seed": params.seed, **values})
        yield run.info.run_id


def log_metrics(values: Mapping[str, float], step: int | None = None) -> None:
    """Log metrics to the open run."""
    if writes():
        mlflow.log_metrics({name: float(value) for name, value in values.items()}, step=step)


def curve(name: str) -> Callable[[Mapping[str, float], int], None]:
    """Return a logger of one training's metrics by step, apart from other trainings of the run."""
    return lambda values, step: log_metrics({f"{name}_{k}": v for k, v in values.items()}, step)


def log_artifact(path: Path, folder: str | None = None) -> None:
    """Attach a file, or a folder's content, to the open run."""
    if not writes():
        return
    if path.is_dir():
        mlflow.log_artifacts(str(path), folder or path.name)
    else:
        mlflow.log_artifact(str(path), folder)


def set_tags(tags: Mapping[str, Any]) -> None:
    """Tag the open run."""
    mlflow.set_tags({name: str(value) for name, value in tags.items()})


def log_dataset(name: str, digest: str, source: Mapping[str, Any], context: str) -> None:
    """Name the data that the open run read; `source` says where it came from."""
    origin = CodeDatasetSource(dict(source))
    dataset = MetaDataset(origin, name=name, digest=digest[:36])  # type: ignore[abstract]
    mlflow.log_input(dataset, context=context)


def run_file(stage: str, pipeline_run: str, name: str, folder: Path) -> Path:
    """Fetch a file of the newest MLflow run of a stage in a pipeline run, into a folder of its own.

    Raises:
        AbsentError: there is no such run, or it lacks the file.
        RegistryError: the server does not answer.

    """
    run = _newest(stage, pipeline_run)
    with answering():
        files = mlflow.MlflowClient().list_artifacts(run.info.run_id) if run else []
    if run is None or name not in {file.path for file in files}:
        raise AbsentError(
            f"{name} in an MLflow run {stage} {pipeline_run}",
            "none" if run else "no such run",
            f"clear the task `publish` of the run {pipeline_run} in Airflow",
        )
    target = folder / str(run.info.run_id)
    target.mkdir(parents=True, exist_ok=True)
    with answering():
        return Path(
            mlflow.artifacts.download_artifacts(
                run_id=run.info.run_id, artifact_path=name, dst_path=str(target)
            )
        )


def run_tags(stage: str, pipeline_run: str) -> dict[str, str]:
    """Return the tags of the newest MLflow run of a stage in a pipeline run; empty without one.

    Raises:
        RegistryError: the server does not answer.

    """
    run = _newest(stage, pipeline_run)
    return dict(run.data.tags) if run else {}


def _newest(stage: str, pipeline_run: str) -> Run | None:
    connect()
    chosen = f"tags.stage = '{stage}' and tags.pipeline_run = '{pipeline_run}'"
    with answering():
        runs: list[Run] = mlflow.search_runs(
            filter_string=chosen, max_results=1, order_by=["start_time DESC"], output_format="list"
        )
    return runs[0] if runs else None
