import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from components.platform import storage
from components.platform.settings import settings
from tests.running import Platform, make_platform, up
from tests.served import ServedShop, write_packages
from tests.shop_ranking.engine.standins import write_standins
from tests.store import Store
from tests.world import TinyWorld, make_world, tiny_params

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest_plugins = ["tests.fixtures.registry", "tests.fixtures.serving"]
SYS_PATH = list(sys.path)
SHOPS = ("SHOPFUSION_", "AWS_", "AIRFLOW", "MLFLOW_")
KEPT = ("SHOPFUSION_TEST_DATA", "SHOPFUSION_BENCHMARK_DATA")  # where tests find real data
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# A shell that has evaluated `services env` names a running shop: no test may reach it.
for _variable in [name for name in os.environ if name.startswith(SHOPS) and name not in KEPT]:
    del os.environ[_variable]


@pytest.fixture(autouse=True)
def _own_code() -> Iterator[None]:
    """Forget the code of models that a test loaded: MLflow puts it before this checkout's.

    A process that a later test starts would inherit the path, and import the model's code.
    """
    yield
    sys.path[:] = SYS_PATH


@pytest.fixture(autouse=True)
def _own_settings() -> Iterator[None]:
    """Forget the settings of a test that changed the environment: its keys are not the next's."""
    yield
    settings.cache_clear()


@pytest.fixture(scope="session")
def tiny_world(tmp_path_factory: pytest.TempPathFactory) -> TinyWorld:
    """The shared world: read it, never write into its folders."""
    return make_world(tmp_path_factory.mktemp("world"), tiny_params())


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Every service, real and running, on free ports and in a folder of its own."""
    with up(make_platform(tmp_path_factory.mktemp("platform"))) as found:
        yield found


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A running S3 store and nothing else."""
    found = Store(tmp_path_factory.mktemp("store"))
    found.start()
    yield found
    found.kill()


@pytest.fixture
def bucket(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """An empty bucket of the running store, the one of the environment."""
    monkeypatch.setenv("SHOPFUSION_HOME", str(tmp_path_factory.mktemp("home")))
    name = f"test-{uuid.uuid4().hex[:12]}"
    for variable, value in (store.environment | {"SHOPFUSION_S3_BUCKET": name}).items():
        monkeypatch.setenv(variable, value)
    settings.cache_clear()
    storage.ensure_bucket(name)
    yield name
    settings.cache_clear()


@pytest.fixture(scope="session")
def standins(tiny_world: TinyWorld, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Paths of stand-in towers and EASE weights on the tiny world."""
    return write_standins(tiny_world, tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def served_packages(
    tiny_world: TinyWorld, standins: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Packages of a fused ranker on the tiny world, as the registry would hand them out."""
    return write_packages(tiny_world, standins, tmp_path_factory.mktemp("packages"))


@pytest.fixture(scope="session")
def shop(served_packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedShop]:
    """The real server on the tiny world, one for all tests that only ask it."""
    served = ServedShop(served_packages, tmp_path_factory.mktemp("shop"))
    served.start()
    try:
        yield served
    finally:
        served.stop()


@pytest.fixture(scope="module")  # while it lives, no other test of the process may run asyncio
def browser() -> Iterator["Browser"]:
    """The system's Chromium, without a window; skips, with the reason, where there is none."""
    from playwright.sync_api import sync_playwright

    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(
            f"no browser: none of {', '.join(BROWSERS)} is installed; CHROMIUM may name one"
        )
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def page(browser: "Browser") -> Iterator["Page"]:
    """A page in a context of its own: no cookie of another test."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()
