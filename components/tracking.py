"""MLflow behind one module: nothing else imports mlflow."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow

from components.errors import RegistryError
from components.params import Params
from components.settings import settings


def connect() -> None:
    """Point MLflow at the server of the environment and at the experiment."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    mlflow.set_tracking_uri(settings().mlflow_uri)
    mlflow.set_experiment(settings().mlflow_experiment)


@contextmanager
def stage_run(stage: str, params: Params, section: str | None = None) -> Iterator[str]:
    """Open the MLflow run of one stage; yields its run id.

    The run is tagged with the stage, the dataset and the pipeline run it belongs to, and carries
    the params of `section` (and the seed), so that two runs of a tower can be compared.
    """
    connect()
    name = f"{settings().run_id}/{stage}" if settings().run_id else stage
    tags = {
        "stage": stage,
        "pipeline_run": settings().run_id or "none",
        "dataset": params.data.dataset,
        "simulated": str(params.data.dataset == "simulated-shop").lower(),
    }
    with mlflow.start_run(run_name=name, tags=tags) as run:
        values = getattr(params, section).model_dump(mode="json") if section else {}
        mlflow.log_params({"seed": params.seed, **values})
        yield run.info.run_id


def log_metrics(values: Mapping[str, float], step: int | None = None) -> None:
    """Log metrics to the open run."""
    mlflow.log_metrics({name: float(value) for name, value in values.items()}, step=step)


def log_artifact(path: Path, folder: str | None = None) -> None:
    """Attach a file, or a folder's content, to the open run."""
    if path.is_dir():
        mlflow.log_artifacts(str(path), folder or path.name)
    else:
        mlflow.log_artifact(str(path), folder)


def set_tags(tags: Mapping[str, Any]) -> None:
    """Tag the open run."""
    mlflow.set_tags({name: str(value) for name, value in tags.items()})


def download(uri: str) -> Path:
    """Fetch a registered model's files, e.g. models:/text-tower/3, into a local folder.

    Raises:
        RegistryError: the registry has no such model or version, or cannot be reached.

    """
    connect()
    try:
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))
    except mlflow.exceptions.MlflowException as error:
        raise RegistryError(
            f"a registered model at {uri}",
            " ".join(str(error).split()),
            "see the registry's versions, or train this tower",
        ) from error
