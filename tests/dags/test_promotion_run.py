"""Promotion and roll back in the real Airflow, on the real registry."""

import time
import uuid
from collections.abc import Callable, Iterator

import httpx
import mlflow
import pytest

from components import tracking
from components.champions import SEEN, champions
from components.registry import load_policy
from components.settings import settings
from services.airflow_api import AirflowApi
from services.credentials import USER
from services.lifecycle import environment
from tests.platform import Platform

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("services"), pytest.mark.timeout(1800)]
DAYS = 4320  # minutes: nobody's patience ends in this test
TABLE = "Gate: **passed**\n\n| rule | challenger |\n|---|---|\n| all | 0.44 |"


class Shop:
    """A registry with three versions, and what a person does in Airflow's pages."""

    def __init__(self, airflow: AirflowApi, http: httpx.Client) -> None:
        self.airflow, self.http, self.name = airflow, http, load_policy().models.fused

    def aliases(self) -> dict[str, str | None]:
        now = champions(load_policy())
        found = {"champion": now.champion, "previous": now.previous, "challenger": now.challenger}
        return {alias: one.version if one else None for alias, one in found.items()}

    def start(self, dag: str, conf: dict[str, object]) -> str:
        self.airflow.wait_for_dag(dag, timeout=300)
        return self.airflow.trigger(dag, conf)

    def asked(self, run: str) -> dict[str, object]:
        """Return the required action of a run, once it waits for an answer."""
        path = f"/api/v2/dags/promotion/dagRuns/{run}/taskInstances/approval/-1/hitlDetails"
        wait(lambda: self.state(run, "approval") == "awaiting_input", "the question")
        time.sleep(3)  # an answer in the very second fails the task
        return self.http.get(path).raise_for_status().json()

    def answer(self, run: str, choice: str) -> None:
        path = f"/api/v2/dags/promotion/dagRuns/{run}/taskInstances/approval/-1/hitlDetails"
        answer = {"chosen_options": [choice], "params_input": {}}
        self.http.patch(path, json=answer).raise_for_status()

    def state(self, run: str, task: str) -> str | None:
        states = {one.name: one.state for one in self.airflow.tasks("promotion", run)}
        return states.get(task)

    def finished(self, dag: str, run: str) -> str:
        wait(lambda: self.airflow.run(dag, run)["state"] in {"success", "failed"}, "the end")
        return str(self.airflow.run(dag, run)["state"])


def wait(until: Callable[[], bool], what: str, seconds: float = 400) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline, f"{what} did not come in {seconds:g} s"
        time.sleep(0.5)


@pytest.fixture
def shop(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    for name, value in environment(platform.settings).items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    tracking.connect()
    client, rules = mlflow.MlflowClient(), load_policy()
    made = client.create_registered_model(rules.models.fused).name
    for gate in ("passed", "passed", "rejected"):
        with mlflow.start_run() as run:
            mlflow.log_text(TABLE, "gate/verdict.md")
        tags = {"gate": gate, "dataset": "tiny", "content": uuid.uuid4().hex}
        client.create_model_version(made, run.info.artifact_uri, run.info.run_id, tags)
    client.set_registered_model_alias(made, "champion", "1")
    client.set_registered_model_alias(made, "challenger", "2")
    client.set_registered_model_tag(made, SEEN, "1")
    token = {"username": USER, "password": platform.keys.airflow_password}
    with (
        AirflowApi(platform.settings, platform.keys) as airflow,
        httpx.Client(base_url=platform.settings.airflow_url, timeout=60) as http,
    ):
        granted = http.post("/auth/token", json=token).json()["access_token"]
        http.headers["Authorization"] = f"Bearer {granted}"
        try:
            yield Shop(airflow, http)
        finally:
            client.delete_registered_model(made)
            settings.cache_clear()


def test_an_approval_shows_the_verdict_and_makes_the_challenger_champion(shop: Shop):
    run = shop.start("promotion", {"response_timeout": DAYS})
    question = shop.asked(run)
    assert question["subject"] == "Promote fused-ranker version 2? Gate: passed"
    assert "| all | 0.44 |" in question["body"]
    assert question["options"] == ["Approve", "Reject"]
    assert shop.aliases() == {"champion": "1", "previous": None, "challenger": "2"}
    shop.answer(run, "Approve")
    assert shop.finished("promotion", run) == "success"
    assert shop.aliases() == {"champion": "2", "previous": "1", "challenger": "2"}

    back = shop.start("rollback", {})
    assert shop.finished("rollback", back) == "success"
    assert shop.aliases() == {"champion": "1", "previous": "2", "challenger": "2"}
    taken = shop.airflow.result("rollback", back, "rollback")
    assert (taken["champion"], taken["previous"]) == ("1", "2")
    assert 0 < taken["seconds"] < 60


@pytest.mark.parametrize("answer", ["Reject", None])
def test_a_rejection_and_no_answer_in_time_change_nothing(shop: Shop, answer: str | None):
    run = shop.start("promotion", {"response_timeout": DAYS if answer else 1})
    shop.asked(run)
    if answer:
        shop.answer(run, answer)
    assert shop.finished("promotion", run) == "success"
    assert shop.state(run, "promote") == "skipped"
    assert shop.aliases() == {"champion": "1", "previous": None, "challenger": "2"}


def test_an_answer_to_a_question_that_is_out_of_date_fails_and_says_so(shop: Shop):
    run = shop.start("promotion", {"response_timeout": DAYS})
    shop.asked(run)
    mlflow.MlflowClient().set_registered_model_alias(shop.name, "champion", "3")  # by hand
    shop.answer(run, "Approve")
    assert shop.finished("promotion", run) == "failed"
    assert shop.aliases() == {"champion": "3", "previous": "1", "challenger": "2"}
    (failed,) = (one for one in shop.airflow.tasks("promotion", run) if one.name == "promote")
    log = "\n".join(shop.airflow.log("promotion", run, failed))
    assert "the champion changed after the question was asked" in log


def test_nobody_is_asked_about_what_the_gate_rejected_unless_named(shop: Shop):
    mlflow.MlflowClient().set_registered_model_alias(shop.name, "challenger", "3")
    run = shop.start("promotion", {})
    assert shop.finished("promotion", run) == "success"
    assert shop.state(run, "approval") == "skipped"
    named = shop.start("promotion", {"version": 3, "response_timeout": DAYS})
    assert shop.asked(named)["subject"] == "Promote fused-ranker version 3? Gate: rejected"
    shop.answer(named, "Reject")
    assert shop.finished("promotion", named) == "success"
