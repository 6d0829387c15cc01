"""Every way in which a training is asked for, decided on a real registry and real partitions."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from components.platform import tracking
from components.platform.settings import settings
from components.shop_ranking.application import SHOP_RANKING
from orchestration.assets import FEEDBACK, drift
from orchestration.deciding import due
from tests.platform.feedback.test_served_events import served, write
from tests.registries import new_registry

DRIFT = drift(SHOP_RANKING)
NAME = "fused-ranker"
TAGS = {
    "dataset": "tables",
    "pipeline_run": "its-run",
    "data_as_of": "2024-01-01",
    "cut_test": "2023-12-04",
    "horizon_days": "28",
}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[mlflow.MlflowClient]:
    """A champion whose run was told a seed, and test cuts of its own window."""
    folder = tmp_path_factory.mktemp("registry")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOPFUSION_MLFLOW_URI", new_registry(folder))
        settings.cache_clear()
        tracking.connect()
        overrides = "{seed: 7, preparation.test_cut: '2023-12-04'}"
        told = {"stage": "pipeline", "pipeline_run": "its-run", "overrides": overrides}
        with mlflow.start_run(tags=told):
            pass
        client = mlflow.MlflowClient()
        client.create_registered_model(NAME)
        client.create_model_version(NAME, str(folder), tags=TAGS)
        client.set_registered_model_alias(NAME, "champion", "1")
        yield client
    settings.cache_clear()


def asked(folder: Path, *assets: object, floor: int = 3) -> dict[str, Any]:
    """Return the context of a run that these assets started (none: a person)."""
    days = [datetime(2024, 1, day, 12, tzinfo=UTC) for day in (1, 10, 11)]
    events = [served(event_id=str(when), timestamp=when) for when in days]
    early = served(event_id="known", timestamp=datetime(2023, 12, 31, tzinfo=UTC))
    source = write(folder / "feedback", early, *events)  # three since the champion's window
    return {
        "params": {"feedback": str(source), "min_purchases": floor},
        "triggering_asset_events": {asset: ["an event"] for asset in assets},
    }


@pytest.mark.parametrize(
    ("assets", "floor", "reason"),
    [
        ((), 4, "by hand"),
        ((DRIFT,), 4, "drift"),
        ((FEEDBACK, DRIFT), 4, "drift"),
        ((FEEDBACK,), 3, "3 new purchases, at least 3"),
    ],
    ids=["person", "drift", "drift beside feedback", "enough feedback"],
)
def test_a_training_is_due(registry, tmp_path, capsys, assets, floor, reason):
    decision = due(SHOP_RANKING, asked(tmp_path, *assets, floor=floor))
    assert decision == {
        "seed": 7,
        "data.dataset": "tables",
        "data.feedback": str(tmp_path / "feedback"),
        "preparation.as_of": "2024-01-11",
        "preparation.final_cut": True,
    }
    assert capsys.readouterr().out.splitlines()[-1] == reason


def test_too_little_feedback_alone_starts_nothing(registry, tmp_path):
    with pytest.raises(AirflowSkipException, match="3 new purchases, fewer than 4"):
        due(SHOP_RANKING, asked(tmp_path, FEEDBACK, floor=4))


def test_without_a_champion_nobody_gets_a_training(registry, tmp_path):
    registry.delete_registered_model_alias(NAME, "champion")
    with pytest.raises(AirflowSkipException, match="no champion to go on from"):
        due(SHOP_RANKING, asked(tmp_path, DRIFT))
    registry.set_registered_model_alias(NAME, "champion", "1")


def test_feedback_that_cannot_be_read_fails_for_good(registry, tmp_path):
    context = asked(tmp_path)
    context["params"]["feedback"] = str(tmp_path / "gone")
    with pytest.raises(AirflowFailException, match=r"data\.feedback to name a folder"):
        due(SHOP_RANKING, context)
