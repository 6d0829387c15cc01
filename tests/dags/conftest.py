"""Airflow for reading DAG files: no server, no database of a person."""

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk import DAG

ROOT = Path(__file__).resolve().parents[2]
# Airflow reads this when it is first imported.
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="airflow-"))
os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")


@pytest.fixture(scope="session")
def bag() -> "DagBag":
    """Every DAG, imported as Airflow's DAG processor does."""
    from airflow.dag_processing.dagbag import DagBag

    found = DagBag(ROOT / "dags", bundle_name="dags-folder", bundle_path=ROOT / "dags")
    assert found.import_errors == {}
    return found


@pytest.fixture(scope="session")
def training(bag: "DagBag") -> "DAG":
    """The DAG `training`."""
    return bag.dags["training"]
