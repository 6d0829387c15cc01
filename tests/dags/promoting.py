"""A registry with three versions of the fused ranker, and what people do about them in Airflow."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import mlflow

from components.platform import tracking
from components.platform.promotion import SEEN, champions
from components.platform.registry.policy import load_policy
from components.shop_ranking.application import SHOP_RANKING
from services.airflow_api import AirflowApi
from services.credentials import USER
from tests.running import Platform
from tests.waiting import wait_until

AIRFLOW_SECONDS = 400.0  # for what its scheduler has to come to
PROMOTION, ROLLBACK = "shop_ranking_promotion", "shop_ranking_rollback"
TABLE = "Gate: **passed**\n\n| rule | challenger |\n|---|---|\n| all | 0.44 |"


class PromotionShop:
    """A registry with three versions, and what a person does in Airflow's pages."""

    def __init__(self, airflow: AirflowApi, http: httpx.Client) -> None:
        self.airflow, self.http, self.name = airflow, http, load_policy(SHOP_RANKING).leading

    def aliases(self) -> dict[str, str | None]:
        now = champions(load_policy(SHOP_RANKING))
        versions = {
            "champion": now.champion,
            "previous": now.previous,
            "challenger": now.challenger,
        }
        return {alias: version.version if version else None for alias, version in versions.items()}

    def start(self, dag: str, conf: dict[str, object]) -> str:
        self.airflow.wait_for_dag(dag, timeout=300)
        return self.airflow.trigger(dag, conf)

    def asked(self, run: str) -> dict[str, object]:
        """Return the required action of a run, once it waits for an answer."""
        path = f"/api/v2/dags/{PROMOTION}/dagRuns/{run}/taskInstances/approval/-1/hitlDetails"
        wait_until(
            lambda: self.state(run, "approval") == "awaiting_input", "the question", AIRFLOW_SECONDS
        )
        time.sleep(3)  # an answer in the very second fails the task
        return self.http.get(path).raise_for_status().json()

    def answer(self, run: str, choice: str) -> None:
        """Answer, and again where Airflow asks again.

        It does so when the answer is there before its scheduler has seen that the task waits.
        """
        place = f"/api/v2/dags/{PROMOTION}/dagRuns/{run}/taskInstances/approval"
        answer = {"chosen_options": [choice], "params_input": {}}
        tries = 0

        def is_answered() -> bool:
            nonlocal tries
            task = self.http.get(place).raise_for_status().json()
            if task["state"] == "awaiting_input" and task["try_number"] > tries:
                tries = task["try_number"]
                self.http.patch(f"{place}/-1/hitlDetails", json=answer).raise_for_status()
            return task["state"] in {"success", "failed", "skipped"}

        wait_until(is_answered, "the end of the question", AIRFLOW_SECONDS)

    def state(self, run: str, task: str) -> str | None:
        states = {task.name: task.state for task in self.airflow.tasks(PROMOTION, run)}
        return states.get(task)

    def finished(self, dag: str, run: str) -> str:
        wait_until(
            lambda: self.airflow.run(dag, run)["state"] in {"success", "failed"},
            f"the end of {dag}",
            AIRFLOW_SECONDS,
        )
        return str(self.airflow.run(dag, run)["state"])


@contextmanager
def promotion_shop(platform: Platform) -> Iterator[PromotionShop]:
    """Register three versions in the platform's registry; delete them afterwards."""
    tracking.connect()
    client, rules = mlflow.MlflowClient(), load_policy(SHOP_RANKING)
    made = client.create_registered_model(rules.leading).name
    for gate in ("passed", "passed", "rejected"):
        with mlflow.start_run() as run:
            mlflow.log_text(TABLE, "gate/verdict.md")
        tags = {"gate": gate, "dataset": "tiny", "content": uuid.uuid4().hex}
        client.create_model_version(made, run.info.artifact_uri, run.info.run_id, tags)
    client.set_registered_model_alias(made, "champion", "1")
    client.set_registered_model_alias(made, "challenger", "2")
    client.set_registered_model_tag(made, SEEN, "1")
    with AirflowApi(platform.settings, platform.keys) as airflow, signed_in(platform) as http:
        try:
            yield PromotionShop(airflow, http)
        finally:
            client.delete_registered_model(made)


@contextmanager
def signed_in(platform: Platform) -> Iterator[httpx.Client]:
    """Yield a client of Airflow's whole REST API."""
    token = {"username": USER, "password": platform.keys.airflow_password}
    with httpx.Client(base_url=platform.settings.airflow_url, timeout=60) as http:
        granted = http.post("/auth/token", json=token).raise_for_status().json()["access_token"]
        http.headers["Authorization"] = f"Bearer {granted}"
        yield http


def runs(http: httpx.Client, dag: str) -> list[dict[str, Any]]:
    """Return Airflow's records of the runs of a DAG."""
    return http.get(f"/api/v2/dags/{dag}/dagRuns").raise_for_status().json()["dag_runs"]
