"""An application's policy and params of the checkout, and how a task ends on an error."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow.sdk.exceptions import AirflowFailException

from components import applications
from components.platform.application import Application
from components.platform.errors import ShopError
from components.platform.params import Params
from components.platform.registry.policy import POLICY, Policy, load_policy

ROOT = Path(__file__).resolve().parents[2]


def policy(application: Application) -> Policy:
    """Return the registry policy of an application, wherever the task works."""
    return load_policy(application, ROOT / POLICY)


def params(application: Application) -> Params:
    """Return the params of an application in the checkout, wherever the task works."""
    return applications.read_params(application, ROOT / "params.yaml")


@contextmanager
def final() -> Iterator[None]:
    """Let a task fail for good where trying again would not help."""
    try:
        yield
    except ShopError as error:
        raise AirflowFailException(str(error)) from error
