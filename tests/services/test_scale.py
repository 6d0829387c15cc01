"""Where one machine is outgrown: PostgreSQL, Celery and another S3 store, each for real.

One platform is started on all three; DESIGN section 6 wants each to be one setting. Where a
program is not installed, the setting is left out and its test is skipped.
"""

import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import mlflow
import pytest

from components.platform.errors import ServiceError
from components.platform.settings import settings
from components.shop_ranking.application import SHOP_RANKING
from services import supervision
from services.health import require_broker
from services.lifecycle import environment
from services.settings import ServiceSettings
from tests.dags.promoting import PromotionShop, promotion_shop
from tests.ports import free_port
from tests.running import Platform, make_platform, up
from tests.scaled import ask, postgres, postgres_binaries, redis_server
from tests.store import Store
from tests.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("scale"), pytest.mark.timeout(1800)]

BUCKET = "elsewhere"
POSTGRES, REDIS = postgres_binaries(), shutil.which("redis-server")
needs_postgres = pytest.mark.skipif(POSTGRES is None, reason="no postgres is installed")
needs_broker = pytest.mark.skipif(
    POSTGRES is None or REDIS is None, reason="no postgres or no redis-server is installed"
)


@pytest.fixture(scope="module")
def other_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """An S3 store that the platform did not start, with keys of its own."""
    started = Store(tmp_path_factory.mktemp("other-store"))
    started.start()
    yield started
    started.kill()


@pytest.fixture(scope="module")
def scaled(other_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The platform on everything that is another machine's in a larger shop."""
    with ExitStack() as stack:
        more = {
            "s3_endpoint": other_store.settings.s3_url,
            "s3_bucket": BUCKET,
            "s3_access_key": other_store.keys.s3_access_key,
            "s3_secret_key": other_store.keys.s3_secret_key,
        }
        if POSTGRES:
            more["database"] = stack.enter_context(postgres(POSTGRES, ("airflow", "mlflow")))
        if POSTGRES and REDIS:
            more["broker"] = stack.enter_context(redis_server(REDIS))
        yield stack.enter_context(up(make_platform(tmp_path_factory.mktemp("scaled"), **more)))


@pytest.fixture
def reached(scaled: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """The same, with this process's stages and clients pointed at it."""
    for name, value in environment(scaled.settings).items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    yield scaled
    settings.cache_clear()


@pytest.fixture
def shop(reached: Platform) -> Iterator[PromotionShop]:
    with promotion_shop(reached) as made:
        yield made


@needs_postgres
def test_airflow_and_mlflow_keep_everything_in_postgresql(
    scaled: Platform, shop: PromotionShop
) -> None:
    kept = scaled.settings.database
    assert kept is not None
    tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
    assert ask(kept, "airflow", tables)[0][0] > 40
    for name in ("shop_ranking_rollback", "shop_ranking_training"):
        shop.airflow.wait_for_dag(name, timeout=300)
    dags = {name for (name,) in ask(kept, "airflow", "SELECT dag_id FROM dag")}
    assert {"shop_ranking_training", "shop_ranking_rollback"} <= dags
    aliases = ask(kept, "mlflow", "SELECT alias, version FROM registered_model_aliases")
    assert dict(aliases) == {"champion": 1, "challenger": 2}
    assert not list(scaled.settings.home.rglob("*.db"))


@needs_broker
def test_a_celery_worker_runs_the_tasks(scaled: Platform, shop: PromotionShop) -> None:
    client = mlflow.MlflowClient()
    client.set_registered_model_alias(shop.name, "previous", "2")
    run = shop.start("shop_ranking_rollback", {})
    assert shop.finished("shop_ranking_rollback", run) == "success"
    assert shop.aliases()["champion"] == "2"
    kept = scaled.settings.database
    assert kept is not None
    done = f"SELECT state, executor, hostname FROM task_instance WHERE run_id = '{run}'"
    assert [row[0] for row in ask(kept, "airflow", done)] == ["success"]
    # The worker keeps its own result a moment after the task told Airflow that it is done.
    results = "SELECT status FROM celery_taskmeta"
    wait_until(lambda: ("SUCCESS",) in ask(kept, "airflow", results), "the worker's result", 60)
    log = scaled.settings.logs / "airflow-worker.log"
    wait_until(lambda: "succeeded in" in log.read_text(), "the worker's word of it", 60)
    assert scaled.run("status").stdout.count("running") == 8  # the worker instead of the store


def test_a_broker_that_does_not_answer_is_one_line_without_its_password() -> None:
    pytest.importorskip("kombu", reason="Celery is not installed (make install-scale)")
    broker = f"redis://:secret@127.0.0.1:{free_port()}/0"
    settings = ServiceSettings(database="postgresql+psycopg2://127.0.0.1", broker=broker)
    with pytest.raises(ServiceError, match="expected the broker of SHOPFUSION_BROKER") as said:
        require_broker(settings)
    assert "\n" not in str(said.value)
    assert "secret" not in str(said.value)


def test_no_password_is_on_a_command_line_or_in_a_log(scaled: Platform) -> None:
    settings = scaled.settings
    secrets = [
        urlsplit(address).password for address in (settings.database, settings.broker) if address
    ]
    lines = str(scaled.processes())
    logs = "".join(path.read_text() for path in settings.logs.iterdir())
    for secret in filter(None, [*secrets, settings.s3_secret_key]):
        assert secret not in lines
        assert secret not in logs


def test_no_store_is_started_beside_another_one(scaled: Platform) -> None:
    assert "s3" not in supervision.states(scaled.settings)
    assert "weed" not in {name for name, _ in scaled.processes().values()}
    assert not list((scaled.settings.home / "s3").iterdir())


def test_a_shell_without_the_settings_reaches_the_same_store(
    scaled: Platform, other_store: Store
) -> None:
    forgotten = {
        name: value
        for name, value in scaled.environment.items()
        if not name.startswith(("SHOPFUSION_S3", "SHOPFUSION_DATABASE", "SHOPFUSION_BROKER"))
    }
    exports = Platform(scaled.settings, forgotten).run("env").stdout
    assert f"SHOPFUSION_S3_ENDPOINT={other_store.settings.s3_url}" in exports
    assert f"SHOPFUSION_S3_BUCKET={BUCKET}" in exports
    assert f"AWS_SECRET_ACCESS_KEY={other_store.keys.s3_secret_key}" in exports


def test_artifacts_data_and_events_go_to_the_other_store(
    reached: Platform, other_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = uuid.uuid4().hex
    mlflow.set_tracking_uri(reached.settings.mlflow_url)
    with mlflow.start_run():
        mlflow.log_text("kept", f"{mark}.txt")
    push(mark, tmp_path, monkeypatch)
    send_event(reached, mark)
    arrived = {"mlflow/": "an artifact", "dvc/": "data", "events/": "events"}
    for prefix, what in arrived.items():
        wait_until(lambda prefix=prefix: bool(stored(other_store, prefix)), what, seconds=60)
    assert [key for key in stored(other_store, "mlflow/") if key.endswith(f"{mark}.txt")]


def push(mark: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a run's workspace, track a file in it, and push that to the remote it was given."""
    from orchestration import workspace

    monkeypatch.setenv("SHOPFUSION_HOME", str(folder))
    source = folder / "source"
    (source / ".dvc").mkdir(parents=True)
    root = Path(__file__).resolve().parents[2]
    for name in ("params.yaml", "dvc.yaml", ".dvc/config"):
        shutil.copy(root / name, source / name)
    made = workspace.create(SHOP_RANKING, source, mark, {})
    (made / "big.bin").write_text(mark)
    for command in (["dvc", "add", "big.bin"], ["dvc", "push", "big.bin.dvc"]):
        done = subprocess.run(command, cwd=made, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def send_event(platform: Platform, mark: str) -> None:
    event = {
        "event_id": mark,
        "action_name": "click",
        "user_id": "anna",
        "session_id": "s",
        "timestamp": datetime.now(UTC).isoformat(),
        "event_attributes": {"object": {"object_id": "milk"}},
    }
    key = {"Authorization": f"Bearer {platform.keys.event_key}"}
    url = f"{platform.settings.serving_url}/events"
    answer = httpx.post(url, json={"events": [event]}, headers=key)
    assert answer.json()["accepted"] == 1, answer.text


def stored(store: Store, prefix: str) -> list[str]:
    """Return keys of the bucket, asked of the other store itself."""
    listed = store.client().list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return [stored["Key"] for stored in listed.get("Contents", [])]
