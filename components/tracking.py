"""MLflow behind one module: nothing else imports mlflow."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import mlflow
import pandas as pd
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types.schema import Array, ColSpec, DataType, Schema
from requests import RequestException

from components.errors import RegistryError
from components.params import Params
from components.settings import settings


@contextmanager
def answering() -> Iterator[None]:
    """Turn MLflow's and the network's errors into one line.

    Raises:
        RegistryError: the server does not answer, or refuses what was asked.

    """
    try:
        yield
    except (MlflowException, RequestException) as error:
        raise RegistryError(
            f"an answer of MLflow at {mlflow.get_tracking_uri()}",
            " ".join(str(error).split())[:300],
            "start the services (make up) or set SHOPFUSION_MLFLOW_URI, then run the stage again",
        ) from error


def connect() -> None:
    """Point MLflow at the server of the environment and at the experiment.

    Raises:
        RegistryError: the server does not answer.

    """
    _point()
    with answering():
        found = mlflow.set_experiment(settings().mlflow_experiment)
        # Where two stages create the experiment at once, MLflow 3.17 hands it to the slower one
        # without pointing at it; by id it does both.
        mlflow.set_experiment(experiment_id=found.experiment_id)


def _point() -> None:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "4")  # 30 s; MLflow's own: 4 min
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # lines in a task log
    mlflow.set_tracking_uri(settings().mlflow_uri)


@contextmanager
def stage_run(stage: str, params: Params, section: str | None = None) -> Iterator[str]:
    """Open the MLflow run of one stage; yields its run id.

    The run is tagged with the stage, the dataset and the pipeline run it belongs to, and carries
    the params of `section` (and the seed), so that two runs of a tower can be compared.
    """
    connect()
    name = f"{stage} {settings().run_id}".rstrip()  # the stage first: lists cut names short
    tags = {
        "stage": stage,
        "pipeline_run": settings().run_id or "none",
        "dataset": params.data.dataset,
        "simulated": str(params.data.dataset == "simulated-shop").lower(),
    }
    with answering(), mlflow.start_run(run_name=name, tags=tags) as run:
        values = getattr(params, section).model_dump(mode="json") if section else {}
        mlflow.log_params({"seed": params.seed, **values})
        yield run.info.run_id


def log_metrics(values: Mapping[str, float], step: int | None = None) -> None:
    """Log metrics to the open run."""
    mlflow.log_metrics({name: float(value) for name, value in values.items()}, step=step)


def curve(name: str) -> Callable[[Mapping[str, float], int], None]:
    """Return a logger of one training's metrics by step, apart from other trainings of the run."""
    return lambda values, step: log_metrics({f"{name}_{k}": v for k, v in values.items()}, step)


def log_artifact(path: Path, folder: str | None = None) -> None:
    """Attach a file, or a folder's content, to the open run."""
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


def run_tags(stage: str, pipeline_run: str) -> dict[str, str]:
    """Return the tags of the newest MLflow run of a stage in a pipeline run; empty without one.

    Raises:
        RegistryError: the server does not answer.

    """
    connect()
    chosen = f"tags.stage = '{stage}' and tags.pipeline_run = '{pipeline_run}'"
    with answering():
        found = mlflow.search_runs(
            filter_string=chosen, max_results=1, order_by=["start_time DESC"], output_format="list"
        )
    return dict(found[0].data.tags) if found else {}


# --- the registry ---------------------------------------------------------------------------------


class Predictor(Protocol):
    """A loaded model."""

    def predict(self, requests: pd.DataFrame) -> pd.DataFrame:
        """Answer one row a request."""


@dataclass(frozen=True)
class Column:
    """One column of a signature: kind is string, long or double; `many` makes it a list."""

    name: str
    kind: str
    many: bool = False
    required: bool = True


@dataclass(frozen=True)
class Package:
    """What becomes one version of a registered model.

    `loader` is a module whose `_load_pyfunc(folder)` returns a Predictor; it and what it imports
    of this repository are in `code`, a folder called `components`.
    """

    folder: Path
    loader: str
    code: Path
    requirements: Path
    inputs: tuple[Column, ...]
    outputs: tuple[Column, ...]
    example: pd.DataFrame


@dataclass(frozen=True)
class Version:
    """One version of a registered model."""

    name: str
    version: str
    run_id: str  # the run that made it
    tags: Mapping[str, str]

    @property
    def learnt_until(self) -> str:
        """Return the day, as text, from which on a version of the fused model knows nothing."""
        return self.tags.get("cut_final", self.tags["cut_test"])


def champion(name: str, alias: str = "champion") -> Version | None:
    """Return the version an alias of a registered model points at, None where there is none.

    Raises:
        RegistryError: the server does not answer.

    """
    connect()
    return aliased(name, alias)


def aliased(name: str, alias: str) -> Version | None:
    """Return the same by one question to the server: for a watcher that asks again and again.

    Raises:
        RegistryError: the server does not answer.

    """
    _point()
    with answering():
        try:
            found = mlflow.MlflowClient().get_model_version_by_alias(name, alias)
        except MlflowException as error:
            if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                return None
            raise
    return _version(found)


def tagged(name: str, tag: str, value: str) -> Version | None:
    """Return the newest version of a registered model that carries this tag, if any."""
    with answering():
        found = mlflow.MlflowClient().search_model_versions(
            f"name = '{name}' AND tags.`{tag}` = '{value}'", order_by=["version_number DESC"]
        )
    return _version(found[0]) if found else None


def save(package: Package, folder: Path) -> Path:
    """Write a package as an MLflow model on this machine, as the registry will hold it."""
    mlflow.pyfunc.save_model(str(folder), **_flavor(package))
    return folder


def register(
    package: Package, name: str, tags: Mapping[str, str], description: str = ""
) -> Version:
    """Log the package to the open run and make it a new version of the registered model.

    The files are complete on the server before the version exists.

    Raises:
        RegistryError: the server does not answer.

    """
    with answering():
        logged = mlflow.pyfunc.log_model(name=name, **_flavor(package))
        made = mlflow.register_model(logged.model_uri, name, tags=dict(tags))
        mlflow.MlflowClient().update_model_version(name, made.version, description)
    return _version(made)


def tag_version(version: Version, tags: Mapping[str, str]) -> None:
    """Add tags to a version of a registered model."""
    with answering():
        for key, value in tags.items():
            mlflow.MlflowClient().set_model_version_tag(version.name, version.version, key, value)


def move_alias(alias: str, version: Version) -> None:
    """Point an alias of the registered model at this version."""
    with answering():
        mlflow.MlflowClient().set_registered_model_alias(version.name, alias, version.version)


def model_tag(name: str, key: str) -> str | None:
    """Return a tag of a registered model as a whole, None where there is none.

    Raises:
        RegistryError: there is no such model, or the server does not answer.

    """
    connect()
    with answering():
        return mlflow.MlflowClient().get_registered_model(name).tags.get(key)


def tag_model(name: str, key: str, value: str) -> None:
    """Tag a registered model as a whole."""
    with answering():
        mlflow.MlflowClient().set_registered_model_tag(name, key, value)


def version(name: str, number: str) -> Version:
    """Return one version of a registered model.

    Raises:
        RegistryError: there is no such version, or the server does not answer.

    """
    _point()
    with answering():
        return _version(mlflow.MlflowClient().get_model_version(name, number))


def load(uri: str) -> Predictor:
    """Load a registered (models:/name@alias) or saved (folder) model.

    Raises:
        RegistryError: there is no such model, or it cannot be loaded.

    """
    with answering():
        return mlflow.pyfunc.load_model(uri)


def download(uri: str, folder: Path | None = None) -> Path:
    """Fetch the folder that was registered, e.g. as models:/text-tower/3; into `folder` if given.

    Raises:
        RegistryError: the registry has no such model or version, or cannot be reached.

    """
    _point()
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    try:
        local = mlflow.artifacts.download_artifacts(
            artifact_uri=uri, dst_path=str(folder) if folder else None
        )
        return Path(local) / Model.load(local).flavors["python_function"]["data"]
    except (MlflowException, RequestException) as error:
        raise RegistryError(
            f"a registered model at {uri}",
            " ".join(str(error).split()),
            "see the registry's versions, or train this tower",
        ) from error


def run_folder(version: Version, folder: str) -> Path:
    """Fetch an artifact folder of the run that made a version.

    Raises:
        RegistryError: the run or its folder is gone, or the server does not answer.

    """
    with answering():
        local = mlflow.artifacts.download_artifacts(run_id=version.run_id, artifact_path=folder)
    return Path(local)


def _version(found: ModelVersion) -> Version:
    return Version(found.name, str(found.version), found.run_id or "", found.tags)


def _flavor(package: Package) -> dict[str, Any]:
    return {
        "loader_module": package.loader,
        "data_path": str(package.folder),
        "code_paths": [str(package.code)],
        "pip_requirements": str(package.requirements),
        "signature": ModelSignature(_schema(package.inputs), _schema(package.outputs)),
        "input_example": package.example,
    }


def _schema(columns: tuple[Column, ...]) -> Schema:
    kinds = [Array(DataType[one.kind]) if one.many else DataType[one.kind] for one in columns]
    return Schema(
        [
            ColSpec(kind, one.name, required=one.required)
            for kind, one in zip(kinds, columns, strict=True)
        ]
    )
