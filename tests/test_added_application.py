"""An application that is added to a copy of the repository goes the whole way, all of it real.

Training, gate, approval, promotion, serving, drift and roll back, in Airflow and MLflow that run
from the copy; and what adding it cost.
"""

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from services.airflow_api import AirflowApi
from tests.additions.copying import ADDITIONS, Copy, copy_repository
from tests.dags.promoting import signed_in
from tests.running import Platform, make_platform, up
from tests.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("services"), pytest.mark.timeout(1800)]
SECONDS = 400.0  # for what a busy machine does
STAGE = {
    "desc": "Learn to greet, and register",
    "cmd": "python -m components toy_training",
    "deps": ["components/toy"],
    "params": ["toy"],
    "outs": ["models/toy"],
    "metrics": [{"reports/toy.json": {"cache": False}}],
    "meta": {
        "application": "toy",
        "group": "training",
        "hours": 1,
        "asset": "challenger",
    },
}


def add_toy(copy: Copy) -> None:
    """Add the application: its folder, its stage, one line."""
    shutil.copytree(
        ADDITIONS / "toy",
        copy.folder / "components" / "toy",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    copy.add_stage("toy_training", STAGE)
    copy.replace(
        "components/applications.py",
        "from components.shop_ranking.application import SHOP_RANKING\n",
        "from components.shop_ranking.application import SHOP_RANKING\n"
        "from components.toy.application import TOY\n",
    )
    copy.replace("components/applications.py", "(SHOP_RANKING,)", "(SHOP_RANKING, TOY)")


@pytest.fixture(scope="module")
def toy_copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    copy = copy_repository(tmp_path_factory.mktemp("repository"))
    add_toy(copy)
    return copy


@pytest.fixture(scope="module")
def toy_platform(toy_copy: Copy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Every service, started from the copy."""
    made = make_platform(tmp_path_factory.mktemp("toy-platform"))
    environment = made.environment | {"PYTHONPATH": str(toy_copy.folder)}
    with up(replace(made, environment=environment, root=toy_copy.folder)) as running:
        yield running


def test_an_application_costs_its_folder_its_stage_and_one_line(toy_copy: Copy):
    outside = [name for name in toy_copy.touched() if not name.startswith("components/toy/")]
    assert outside == ["components/applications.py", "dvc.yaml"]


def test_it_goes_the_whole_way(toy_platform: Platform):
    with (
        AirflowApi(toy_platform.settings, toy_platform.keys) as airflow,
        signed_in(toy_platform) as http,
        httpx.Client(base_url=toy_platform.settings.serving_url, timeout=60) as shop,
    ):
        airflow.wait_for_dag("toy_training", timeout=300)
        assert trained(airflow, warmth=0.6) == "success"
        wait_until(
            lambda: greeting(shop).get("model") == "toy-greeter/1", "the first champion", SECONDS
        )
        assert greeting(shop)["greeting"] == "hello you, 0.60"
        page = shop.get("/hello").text
        assert "hello reader, 0.60" in page
        assert '<a href="/hello" aria-current="page">Hello</a>' in page

        assert trained(airflow, warmth=0.8) == "success"
        assert greeting(shop)["model"] == "toy-greeter/1"
        approve(airflow, http)
        wait_until(
            lambda: greeting(shop).get("model") == "toy-greeter/2", "the promoted version", SECONDS
        )

        assert trained(airflow, warmth=0.3) == "success"  # the gate rejects it: nobody is asked
        drift = finished(airflow, "toy_drift_monitoring", {"week": None, "feedback": None})
        assert drift == "success"
        run = latest(http, "toy_drift_monitoring")
        (alarm,) = airflow.result("toy_drift_monitoring", run, "measure")
        assert "guests without a greeting" in alarm

        assert finished(airflow, "toy_rollback", {}) == "success"
        wait_until(
            lambda: greeting(shop).get("model") == "toy-greeter/1", "the one before", SECONDS
        )


def greeting(shop: httpx.Client) -> dict[str, str]:
    """Return the answer of the toy's route; empty while no champion answers."""
    answer = shop.get("/greeting")
    return answer.json() if answer.is_success else {}


def trained(airflow: AirflowApi, warmth: float) -> str:
    return finished(airflow, "toy_training", {"toy.warmth": warmth})


def finished(airflow: AirflowApi, dag: str, conf: dict[str, object]) -> str:
    """Run a DAG to its end; return its state."""
    airflow.wait_for_dag(dag, timeout=300)
    run = airflow.trigger(dag, conf)
    wait_until(
        lambda: airflow.run(dag, run)["state"] in {"success", "failed"},
        f"the end of {dag}",
        SECONDS,
    )
    return str(airflow.run(dag, run)["state"])


def latest(http: httpx.Client, dag: str) -> str:
    runs = http.get(f"/api/v2/dags/{dag}/dagRuns", params={"order_by": "-start_date"}).json()
    return str(runs["dag_runs"][0]["dag_run_id"])


def approve(airflow: AirflowApi, http: httpx.Client) -> None:
    """Answer the question that registering version 2 has raised."""
    dag = "toy_promotion"

    def waiting() -> list[str]:
        runs = http.get(f"/api/v2/dags/{dag}/dagRuns").json()["dag_runs"]
        return [
            run["dag_run_id"]
            for run in runs
            for task in airflow.tasks(dag, run["dag_run_id"])
            if task.name == "approval" and task.state == "awaiting_input"
        ]

    wait_until(lambda: bool(waiting()), "the question", SECONDS)
    (run,) = waiting()
    place = f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/approval/-1/hitlDetails"
    assert http.get(place).json()["subject"].startswith("Promote toy-greeter version 2?")
    time.sleep(3)  # an answer in the very second fails the task
    http.patch(place, json={"chosen_options": ["Approve"], "params_input": {}}).raise_for_status()
    wait_until(lambda: airflow.run(dag, run)["state"] == "success", "the promotion", SECONDS)


def test_the_copy_is_not_the_checkout(toy_copy: Copy):
    done = toy_copy.run("-c", "import components; print(components.__file__)", cwd=Path.home())
    assert done.stdout.startswith(str(toy_copy.folder)), done.stderr
