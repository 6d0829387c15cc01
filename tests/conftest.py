import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from components.platform.settings import settings
from tests.sharing import made_once

if TYPE_CHECKING:  # the process that only hands tests out imports no model, and starts in a second
    from playwright.sync_api import Browser, Page

    from tests.running import Platform
    from tests.served import ServedShop
    from tests.store import Store
    from tests.world import TinyWorld

pytest_plugins = ["tests.fixtures.registry", "tests.fixtures.serving"]
SYS_PATH = list(sys.path)
SHOPS = ("SHOPFUSION_", "AWS_", "AIRFLOW", "MLFLOW_")
NOBODY = "http://127.0.0.1:9"  # nobody listens there
KEPT = ("SHOPFUSION_TEST_DATA", "SHOPFUSION_BENCHMARK_DATA")  # where tests find real data
STARTS_SERVICES = pytest.StashKey[bool]()
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# A shell that has evaluated `services env` names a running shop: no test may reach it.
for _variable in [name for name in os.environ if name.startswith(SHOPS) and name not in KEPT]:
    del os.environ[_variable]


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests in one process: what they share is made once.

    Groups are handed out in this order: those that start services first, so that the short ones
    fill what is left.
    """
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
        else:
            item.stash[STARTS_SERVICES] = True
    items.sort(key=lambda item: STARTS_SERVICES not in item.stash)


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
def tiny_world(tmp_path_factory: pytest.TempPathFactory) -> "TinyWorld":
    """The shared world: read it, never write into its folders."""
    from tests.world import make_world, tiny_params

    return made_once(tmp_path_factory, "world", lambda folder: make_world(folder, tiny_params()))


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Platform"]:
    """Every service, real and running, on free ports and in a folder of its own."""
    from tests.running import make_platform, up

    with up(make_platform(tmp_path_factory.mktemp("platform"))) as running:
        yield running


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Store"]:
    """A running S3 store and nothing else."""
    from tests.store import Store

    started = Store(tmp_path_factory.mktemp("store"))
    started.start()
    yield started
    started.kill()


@pytest.fixture
def bucket(
    store: "Store", monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """An empty bucket of the running store, the one of the environment."""
    from components.platform import storage

    monkeypatch.setenv("SHOPFUSION_HOME", str(tmp_path_factory.mktemp("home")))
    name = f"test-{uuid.uuid4().hex[:12]}"
    for variable, value in (store.environment | {"SHOPFUSION_S3_BUCKET": name}).items():
        monkeypatch.setenv(variable, value)
    settings.cache_clear()
    storage.ensure_bucket(name)
    yield name
    settings.cache_clear()


@pytest.fixture
def no_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an S3 store that is away; it is asked once."""
    monkeypatch.setenv("SHOPFUSION_S3_ENDPOINT", NOBODY)
    monkeypatch.setenv("SHOPFUSION_S3_ATTEMPTS", "1")
    settings.cache_clear()
    yield NOBODY
    settings.cache_clear()


@pytest.fixture(scope="session")
def standins(tiny_world: "TinyWorld", tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Paths of stand-in towers and EASE weights on the tiny world."""
    from tests.shop_ranking.engine.standins import write_standins

    return made_once(
        tmp_path_factory, "standins", lambda folder: write_standins(tiny_world, folder)
    )


@pytest.fixture(scope="session")
def served_packages(
    tiny_world: "TinyWorld", standins: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Packages of a fused ranker on the tiny world, as the registry would hand them out."""
    from tests.served import write_packages

    return made_once(
        tmp_path_factory,
        "served-packages",
        lambda folder: write_packages(tiny_world, standins, folder),
    )


@pytest.fixture(scope="session")
def shop(served_packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator["ServedShop"]:
    """The real server on the tiny world, one for all tests that only ask it."""
    from tests.served import ServedShop

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
