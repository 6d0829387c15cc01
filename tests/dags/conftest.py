"""Airflow for reading DAG files: no server, no database of a person."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from components.platform.settings import settings
from services.lifecycle import environment
from tests.running import Platform

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk import DAG

    from tests.dags.promoting import PromotionShop

ROOT = Path(__file__).resolve().parents[2]
# Airflow reads this when it is first imported.
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="airflow-"))
os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")


@pytest.fixture(scope="session")
def bag() -> "DagBag":
    """Every DAG, imported as Airflow's DAG processor does."""
    from airflow.dag_processing.dagbag import DagBag

    dags = DagBag(ROOT / "dags", bundle_name="dags-folder", bundle_path=ROOT / "dags")
    assert dags.import_errors == {}
    return dags


@pytest.fixture(scope="session")
def training(bag: "DagBag") -> "DAG":
    """The training of shop ranking."""
    return bag.dags["shop_ranking_training"]


@pytest.fixture
def shop(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> "Iterator[PromotionShop]":
    """Versions 1 (champion), 2 (challenger) and 3 (which the gate rejected) of the fused ranker."""
    from tests.dags.promoting import promotion_shop  # MLflow takes seconds to import

    for name, value in environment(platform.settings).items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    with promotion_shop(platform) as made:
        yield made
    settings.cache_clear()
