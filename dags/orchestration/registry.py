"""The registry policy of the checkout, and errors of the registry as a task should end on them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow.sdk.exceptions import AirflowFailException

from components.platform.errors import ShopError
from components.platform.registry.policy import POLICY, Policy, load_policy
from components.shop_ranking.application import SHOP_RANKING

ROOT = Path(__file__).resolve().parents[2]


def policy() -> Policy:
    """Return the registry policy, wherever the task works."""
    return load_policy(SHOP_RANKING, ROOT / POLICY)


@contextmanager
def final() -> Iterator[None]:
    """Let a task fail for good where trying again would not help."""
    try:
        yield
    except ShopError as error:
        raise AirflowFailException(str(error)) from error
