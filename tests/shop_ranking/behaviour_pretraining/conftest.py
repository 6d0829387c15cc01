from collections.abc import Iterator
from pathlib import Path

import pytest

from components.platform.settings import settings
from tests.registries import new_registry


@pytest.fixture(scope="session")
def mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> str:
    return new_registry(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture(autouse=True)
def run_folder(
    tmp_path: Path, mlflow_database: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A run folder of its own as the current one, and MLflow on SQLite."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHOPFUSION_MLFLOW_URI", mlflow_database)
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()
