"""Versions of registered models, their aliases and tags."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import mlflow
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from requests import RequestException

from components.platform.errors import AbsentError, RegistryError
from components.platform.tracking.connection import answering, connect, point
from components.platform.tracking.packages import Package, flavor

TRAINED_UNTIL = "trained_until"  # tag of a version: the first day that it was not trained on
ABSENT = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}  # MLflow's codes of a clear no


@dataclass(frozen=True)
class Version:
    """One version of a registered model."""

    name: str
    version: str
    run_id: str  # the run that made it
    tags: Mapping[str, str]

    @property
    def trained_until(self) -> date:
        """Return the first day that this version was not trained on.

        Raises:
            RegistryError: its application did not say so when it was registered.

        """
        day = self.tags.get(TRAINED_UNTIL)
        if day is None:
            raise RegistryError(
                f"the tag {TRAINED_UNTIL} of {self.name}/{self.version}",
                "none: it was registered by an older version of the platform",
                "train and promote again",
            )
        return date.fromisoformat(day)


def version_at(name: str, alias: str) -> Version | None:
    """Return the version an alias of a registered model points at, None where there is none.

    Raises:
        RegistryError: the server does not answer.

    """
    point()
    with answering():
        try:
            version = mlflow.MlflowClient().get_model_version_by_alias(name, alias)
        except MlflowException as error:
            if error.error_code in ABSENT:
                return None
            raise
    return _version(version)


def tagged(name: str, tag: str, value: str) -> Version | None:
    """Return the newest version of a registered model that carries this tag, if any."""
    with answering():
        newest_first = mlflow.MlflowClient().search_model_versions(
            f"name = '{name}' AND tags.`{tag}` = '{value}'", order_by=["version_number DESC"]
        )
    return _version(newest_first[0]) if newest_first else None


def register(
    package: Package, name: str, tags: Mapping[str, str], description: str = ""
) -> Version:
    """Log the package to the open run and make it a new version of the registered model.

    The files are complete on the server before the version exists.

    Raises:
        RegistryError: the server does not answer.

    """
    with answering():
        logged = mlflow.pyfunc.log_model(name=name, **flavor(package))
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
    point()
    with answering():
        return _version(mlflow.MlflowClient().get_model_version(name, number))


def download(uri: str, folder: Path) -> Path:
    """Fetch the folder that was registered, e.g. as models:/some-model/3, into `folder`.

    Who asks also removes it: left to choose, MLflow makes a folder that nobody ever removes.

    Raises:
        AbsentError: the registry has no such model or version, or not its files.
        RegistryError: it cannot be reached.

    """
    point()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        local = mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(folder))
        return Path(local) / Model.load(local).flavors["python_function"]["data"]
    except (MlflowException, RequestException) as error:
        kind = AbsentError if _is_absence(error) else RegistryError
        raise kind(
            f"a registered model at {uri}",
            " ".join(str(error).split()),
            "see the registry's versions, or train this model",
        ) from error


def _is_absence(error: MlflowException | RequestException) -> bool:
    """Tell an answer that says no from none, and from one of a server in trouble."""
    if isinstance(error, RequestException):
        return error.response is not None and error.response.status_code in {404, 410}
    return error.error_code in ABSENT


def run_folder(version: Version, name: str, folder: Path) -> Path:
    """Fetch an artifact folder of the run that made a version, into `folder`.

    Raises:
        RegistryError: the run or its folder is gone, or the server does not answer.

    """
    with answering():
        local = mlflow.artifacts.download_artifacts(
            run_id=version.run_id, artifact_path=name, dst_path=str(folder)
        )
    return Path(local)


def _version(version: ModelVersion) -> Version:
    return Version(version.name, str(version.version), version.run_id or "", version.tags)
