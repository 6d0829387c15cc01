"""Drift, from a week of rows to the training that it asks for, in the real Airflow."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import mlflow
import pytest
import yaml

from components.platform import storage, tracking
from components.platform.registered_run import publish_tables
from components.platform.settings import settings
from components.shop_ranking.application import SHOP_RANKING
from components.shop_ranking.retraining import COUNTED
from services.airflow_api import AirflowApi
from services.lifecycle import environment
from tests.dags.promoting import AIRFLOW_SECONDS, runs, signed_in
from tests.platform.feedback.test_served_events import served, write
from tests.running import Platform
from tests.served import METHOD
from tests.shop_ranking.drift.known_weeks import monday, register, write_tables
from tests.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("services"), pytest.mark.timeout(1800)]
DRIFT, RETRAINING, REFRESH, TRAINING = (
    f"shop_ranking_{job}"
    for job in ("drift_monitoring", "retraining", "fusion_refresh", "training")
)
RUN = "watched"  # of the pipeline, that the champion comes from
PARAMS = {"data": {"dataset": "tables", "path": "."}, "drift": {"false_alarms": 0.01}}
CALM, CHANGED = str(monday(13)), str(monday(14))  # see known_weeks
WINDOW = {
    "seed": 7,
    "data.dataset": "tables",
    "data.feedback": "s3:feedback/",
    "preparation.as_of": "2024-05-02",
    "preparation.final_cut": True,
}


class Watched:
    """Airflow beside a champion whose weeks are known."""

    def __init__(self, airflow: AirflowApi, http: httpx.Client) -> None:
        self.airflow, self.http = airflow, http

    def finished(self, dag: str, conf: dict[str, Any]) -> str:
        """Trigger a run and wait for its end."""
        self.airflow.wait_for_dag(dag, timeout=300)
        run = self.airflow.trigger(dag, conf)
        wait_until(
            lambda: self.airflow.run(dag, run)["state"] in {"success", "failed"},
            f"{dag}'s end",
            AIRFLOW_SECONDS,
        )
        assert self.airflow.run(dag, run)["state"] == "success"
        return run

    def states(self, dag: str, run: str) -> dict[str, str]:
        return {task.name: task.state for task in self.airflow.tasks(dag, run)}

    def announced(self, run: str) -> list[str]:
        """Return the assets that a run of drift_monitoring announced."""
        asked = {"source_dag_id": DRIFT, "source_run_id": run}
        answers: list[httpx.Response] = []

        def answered() -> bool:  # Airflow 3.3 answers 500 until the run of an event has started
            answers.append(self.http.get("/api/v2/assets/events", params=asked))
            return answers[-1].is_success

        wait_until(answered, "the events of assets", AIRFLOW_SECONDS)
        return [event["name"] for event in answers[-1].json()["asset_events"]]

    def started_by(self, run: str) -> list[str]:
        """Return the runs of the retraining that a run's asset event started."""
        caused = []
        for training in (each["dag_run_id"] for each in runs(self.http, RETRAINING)):
            asked = self.http.get(
                f"/api/v2/dags/{RETRAINING}/dagRuns/{training}/upstreamAssetEvents"
            )
            # Not started yet: Airflow 3.3 answers 500 until then.
            events = asked.json()["asset_events"] if asked.is_success else []
            caused += [training for event in events if event["source_run_id"] == run]
        return caused

    def pause_training(self, paused: bool) -> None:
        asked = {"is_paused": paused}
        self.http.patch(f"/api/v2/dags/{TRAINING}", json=asked).raise_for_status()

    def training_after(self, known: set[str]) -> dict[str, Any]:
        """Return the run of the training that comes to those known; it waits, the DAG is paused."""
        begun: list[dict[str, Any]] = []

        def made() -> bool:
            every = runs(self.http, TRAINING)
            begun[:] = [training for training in every if training["dag_run_id"] not in known]
            return bool(begun)

        wait_until(made, "a run of training", AIRFLOW_SECONDS)
        (training,) = begun
        assert training["state"] == "queued"
        return training

    def trainings(self) -> set[str]:
        return {training["dag_run_id"] for training in runs(self.http, TRAINING)}

    def forget(self, trainings: set[str]) -> None:
        """End the runs that wait for a training, and delete the trainings beyond those."""
        for dag in (RETRAINING, REFRESH):
            for begun in runs(self.http, dag):
                if begun["state"] in {"queued", "running"}:
                    self.http.patch(
                        f"/api/v2/dags/{dag}/dagRuns/{begun['dag_run_id']}",
                        json={"state": "failed"},
                    ).raise_for_status()
        for run in self.trainings() - trainings:
            self.http.delete(f"/api/v2/dags/{TRAINING}/dagRuns/{run}").raise_for_status()


@pytest.fixture
def watched(
    platform: Platform, served_packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Watched]:
    """A champion whose run is published, two days of feedback, and a training that is paused."""
    for name, value in environment(platform.settings).items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    tables = write_tables(served_packages, tmp_path / "data" / "tables")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(PARAMS))
    tracking.connect()
    told = {"stage": "pipeline", "pipeline_run": RUN, "overrides": "{seed: 7}"}
    with mlflow.start_run(tags=told):
        tracking.log_artifact(tmp_path / "params.yaml")
        publish_tables((tables / path.name for path in SHOP_RANKING.tables), tmp_path)
    tags = {"pipeline_run": RUN, "dataset": "tables", "horizon_days": "28", "fusion": METHOD}
    champion = register(served_packages, "fused-ranker", tags)
    days = [datetime(2024, 5, day, 12, tzinfo=UTC) for day in (1, 2)]
    events = [served(event_id=str(when), timestamp=when) for when in days]
    for path in write(tmp_path / "feedback", *events).rglob("*.parquet"):
        storage.put(path.read_bytes(), str(path.relative_to(tmp_path)))
    with AirflowApi(platform.settings, platform.keys) as airflow, signed_in(platform) as http:
        made = Watched(airflow, http)
        airflow.wait_for_dag(TRAINING, timeout=300)
        before = made.trainings()
        made.pause_training(True)
        try:
            yield made
        finally:
            made.forget(before)
            made.pause_training(False)
            mlflow.MlflowClient().delete_registered_model(champion.name)
            for kept in storage.stored("feedback/"):
                storage.client().delete_object(Bucket=settings().s3_bucket, Key=kept.key)
            settings.cache_clear()


def test_drift_asks_for_a_retraining_and_a_calm_week_for_nothing(watched: Watched):
    calm = watched.finished(DRIFT, {"week": CALM, "feedback": None})
    assert watched.airflow.result(DRIFT, calm, "measure") == []
    assert watched.states(DRIFT, calm) == {
        "measure": "success",
        "alert": "skipped",
    }
    assert watched.announced(calm) == []

    before = watched.trainings()
    changed = watched.finished(DRIFT, {"week": CHANGED, "feedback": None})
    (alarm,) = watched.airflow.result(DRIFT, changed, "alert")
    assert alarm.startswith(f"{CHANGED} ALARM quality: ndcg@10 ")
    assert watched.announced(changed) == ["shop_ranking_drift"]
    wait_until(lambda: bool(watched.started_by(changed)), "a run of retraining", AIRFLOW_SECONDS)
    assert watched.training_after(before)["conf"] == WINDOW | {"warm_start": True}
    assert watched.started_by(calm) == []

    before = watched.trainings()
    watched.airflow.wait_for_dag(REFRESH, timeout=300)
    refresh = watched.airflow.trigger(REFRESH, {})
    assert watched.training_after(before)["conf"] == WINDOW | {
        "retrain": [],
        "baselines.ranked": list(COUNTED),
        "fusion.only": METHOD,
    }
    assert watched.states(REFRESH, refresh)["decide"] == "success"
