from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from components.serving.champion import Champion, Packages
from components.serving.server import Server
from components.settings import settings
from tests.model_registration.conftest import mlflow, mlflow_uri
from tests.serving.registered import Family, make_family
from tests.serving.shop import app_of, make_packages, make_server
from tests.world import TinyWorld

__all__ = ["mlflow", "mlflow_uri"]


@pytest.fixture(scope="session")
def packages(
    tiny_world: TinyWorld, standins: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Packages:
    """Packages of the tiny world: read them, never write into them."""
    return make_packages(tiny_world, standins, tmp_path_factory.mktemp("packages"))


@pytest.fixture(scope="module")
def server(packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a champion; its keys are `events` and `admin`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOPFUSION_EVENT_KEY", "events")
        patch.setenv("SHOPFUSION_ADMIN_KEY", "admin")
        settings.cache_clear()
        made = make_server(packages, tmp_path_factory.mktemp("spool"))
        yield made
        made.log.close()
    settings.cache_clear()


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[TestClient]:
    with TestClient(app_of(server)) as found:
        yield found


@pytest.fixture(scope="session")
def family(mlflow_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Family:
    """Versions of one model in a real registry: move its aliases, register nothing."""
    return make_family(tmp_path_factory.mktemp("family"), mlflow_uri)


@pytest.fixture
def champion(server: Server) -> Champion:
    return server.champion.current()
