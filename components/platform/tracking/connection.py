"""The server of MLflow: where it is, and its errors as one line."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import mlflow
from mlflow.exceptions import MlflowException
from requests import RequestException

from components.platform.errors import RegistryError
from components.platform.settings import settings


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
    point()
    with answering():
        experiment = mlflow.set_experiment(settings().mlflow_experiment)
        # Where two stages create the experiment at once, MLflow 3.17 hands it to the slower one
        # without pointing at it; by id it does both.
        mlflow.set_experiment(experiment_id=experiment.experiment_id)


def point() -> None:
    """Point MLflow at the server of the environment, without asking it anything."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "4")  # 30 s; MLflow's own: 4 min
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # lines in a task log
    mlflow.set_tracking_uri(settings().mlflow_uri)
