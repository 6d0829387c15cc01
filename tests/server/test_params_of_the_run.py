"""A champion answers by the params of its run, and events are taken by those of ingestion."""

import shutil
from datetime import timedelta
from pathlib import Path

import mlflow
import pytest
import yaml
from fastapi.testclient import TestClient
from mlflow.models import Model

from components import champions
from components.commands import feedback
from components.platform import storage, tracking
from components.platform.feedback.click_model import prior
from components.platform.feedback.partitions import key_of, partition_days, read_parquet
from components.platform.serving.segments import PREFIX, framed, shipped_form
from components.platform.settings import settings
from components.shop_ranking.application import SHOP_RANKING
from components.shop_ranking.params import Params, load_params
from tests.published import publish
from tests.shop_ranking.serving.shop import app_of, logged_by, make_server

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.xdist_group("store"), pytest.mark.usefixtures("bucket", "own_mlflow")]
NAMES = {"fused": "fused-ranker", "text": "text-tower", "image": "image-tower"}
# What the runs of versions 1 and 2 were told; the checkout has 0.05, 5 minutes, 5000 and 0.02.
TOLD = (
    {
        "serving": {"exploration": 0.0},
        "feedback": {"clock_skew_minutes": 30, "live_events": 70},
        "ads": {"prior_click_rate": 0.3},
    },
    {
        "serving": {"exploration": 1.0},
        "feedback": {"clock_skew_minutes": 1, "live_events": 80},
        "ads": {"prior_click_rate": 0.4},
    },
)


@pytest.fixture
def versions(packages, tmp_path):
    """Two versions of one model with a published run each; the first is the champion."""
    (tmp_path / "mlflow").mkdir()
    for name in ("params.yaml", "mlflow/registry.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    client = mlflow.MlflowClient()
    for key, name in NAMES.items():
        source = tmp_path / "sources" / name
        shutil.copytree(packages.folders[key], source / "files")
        flavor = {"data": "files", "loader_module": "nobody loads it by MLflow"}
        Model(flavors={"python_function": flavor}).save(source / "MLmodel")
        client.create_registered_model(name)
        if key != "fused":
            client.create_model_version(name, str(source))
    for number, told in enumerate(TOLD):
        publish(f"run-{number}", tmp_path / f"run-{number}", yaml.safe_dump(told), {})
    made = [register(tmp_path, f"run-{number}") for number in range(len(TOLD))]
    tracking.move_alias("champion", made[0])
    return made


def register(folder: Path, run: str) -> tracking.Version:
    """Register the same files as the version of a run."""
    tags = {"pipeline_run": run, "parent_text": "text-tower/1", "parent_image": "image-tower/1"}
    name = NAMES["fused"]
    source = str(folder / "sources" / name)
    version = mlflow.MlflowClient().create_model_version(name, source, tags=tags)
    return tracking.version(name, str(version.version))


@pytest.fixture
def server(versions, tmp_path, monkeypatch):
    """A server that has looked for its champion once."""
    monkeypatch.setenv("SHOPFUSION_EVENT_KEY", "events")
    settings.cache_clear()
    made = make_server(None, tmp_path / "spool", load_params(tmp_path / "params.yaml"))
    assert made.process.feedback.clock_skew_minutes == 5  # nobody has said otherwise yet
    assert made.champion.refresh(), made.champion.state()
    yield made
    made.log.close()


def propensities(client: TestClient) -> list[float]:
    answer = client.post("/recommend", json={"k": 5}).json()
    return [item["propensity"] for item in answer["items"]]


def takes(server, client: TestClient, event_id: str, minutes: float) -> bool:
    """Tell whether an event so much later than the server's clock is accepted."""
    event = {
        "event_id": event_id, "action_name": "view", "user_id": "somebody",
        "timestamp": (server.clock.now() + timedelta(minutes=minutes)).isoformat(),
        "event_attributes": {"object": {"object_id": "any"}},
    }  # fmt: skip
    headers = {"Authorization": "Bearer events"}
    answer = client.post("/events", json={"events": [event]}, headers=headers)
    return answer.json()["accepted"] == 1


def check_that_all_go_by(told: dict, server, folder: Path) -> None:
    """Hold what the server goes by against what the nightly jobs do, and both against `told`."""
    params = Params.model_validate(told)
    assert server.service.params == params == champions.params_of(SHOP_RANKING, folder)
    ingested = champions.feedback_params(folder).feedback
    assert server.process.feedback == params.feedback == ingested
    assert server.process.live.most_events == params.feedback.live_events
    assert server.ads.click_models.of("unknown/1") == prior(params.ads.prior_click_rate)


def test_answers_and_events_go_by_the_run_of_the_champion(server, versions, tmp_path):
    with TestClient(app_of(server)) as client:
        assert propensities(client) == [1.0] * 5
        assert takes(server, client, "early", 15)
        check_that_all_go_by(TOLD[0], server, tmp_path)
        storage.put(shipped_form(framed(logged_by(server))), f"{PREFIX}s-0.jsonl.gz")
        assert feedback.main([]) == 0
        tables = [read_parquet(key_of(day, "events.parquet")) for day in partition_days()]
        assert "early" in [name for table in tables for name in table["event_id"].to_pylist()]

        tracking.move_alias("champion", versions[1])
        assert server.champion.refresh()
        assert max(propensities(client)) < 0.5
        assert not takes(server, client, "late", 3)
        assert takes(server, client, "now", 0)
        check_that_all_go_by(TOLD[1], server, tmp_path)


def test_a_challenger_answers_by_its_own_run_and_brings_it_along(server, versions, tmp_path):
    tracking.move_alias("challenger", versions[1])
    assert server.champion.challenger().presenter.params.exploration == 1.0
    assert server.champion.current().presenter.params.exploration == 0.0
    check_that_all_go_by(TOLD[0], server, tmp_path)
    tracking.move_alias("champion", versions[1])
    assert server.champion.refresh()
    check_that_all_go_by(TOLD[1], server, tmp_path)


def test_without_a_run_the_checkout_holds_and_a_line_says_so(server, tmp_path, capsys):
    tracking.move_alias("champion", register(tmp_path, "by-hand"))
    assert server.champion.refresh()
    written = yaml.safe_load((tmp_path / "params.yaml").read_text())
    check_that_all_go_by(written, server, tmp_path)
    said = capsys.readouterr().out
    assert "clear the task `publish` of the run by-hand" in said
    assert "fused-ranker/3 is of no registered run: it answers by params.yaml as it is here" in said


def test_a_run_whose_params_this_code_cannot_read_is_refused(server, tmp_path):
    told = yaml.safe_dump({"serving": {"of_another_code": 1}})
    publish("run-other", tmp_path / "run-other", told, {})
    tracking.move_alias("champion", register(tmp_path, "run-other"))
    assert not server.champion.refresh()
    assert "fused-ranker/3 was refused: expected a valid serving.of_another_code" in (
        server.champion.state()
    )
    assert server.champion.current().version == "fused-ranker/1"
    assert server.service.params == Params.model_validate(TOLD[0])
