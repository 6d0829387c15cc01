"""docker/compose.yaml says what services/ says."""

import importlib.util
import re
from pathlib import Path

import yaml

from services.credentials import Credentials
from services.programs import airflow_environment, serving, stage_environment
from services.settings import ServiceSettings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())["services"]
# Of one machine only, or set in the image.
ELSEWHERE = {
    "AIRFLOW_HOME",
    "AIRFLOW__API__BASE_URL",
    "AIRFLOW__CORE__DAGS_FOLDER",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE",
    "PATH",
    "SHOPFUSION_HOME",
    "SHOPFUSION_KEEP_RUNS",
}
# Made by Airflow in its container: the operations page shows no approvals there.
UNKNOWN = {"SHOPFUSION_AIRFLOW_USER", "SHOPFUSION_AIRFLOW_PASSWORD"}


def test_the_scheduler_gets_every_variable_that_the_single_machine_sets():
    settings, keys = ServiceSettings(), Credentials()
    wanted = airflow_environment(settings, keys) | stage_environment(settings, keys)
    shared = (ROOT / "services" / "airflow.env").read_text()
    in_file = set(re.findall(r"^([A-Z_]+)=", shared, re.MULTILINE))
    given = set(COMPOSE["airflow-scheduler"]["environment"])
    assert set(wanted) - in_file - ELSEWHERE == given


def test_the_server_gets_every_variable_that_the_single_machine_sets():
    program = serving(ServiceSettings(), Credentials())
    container = COMPOSE["serving"]
    assert set(program.environment) - ELSEWHERE - UNKNOWN == set(container["environment"])
    assert container["entrypoint"] == ["python", *program.command[1:]]
    assert importlib.util.find_spec(f"{container['entrypoint'][-1]}.__main__")
    port = container["environment"]["SHOPFUSION_SERVING_PORT"]
    assert container["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert f":{port}/health" in container["healthcheck"]["test"][-1]


def test_evidently_reads_the_folder_that_drift_monitoring_writes():
    writes, reads = COMPOSE["airflow-scheduler"]["volumes"], COMPOSE["evidently"]["volumes"]
    assert reads == writes == ["state:/var/lib/shopfusion"]
    image = (ROOT / "docker" / "airflow.Dockerfile").read_text()
    assert "SHOPFUSION_HOME=/var/lib/shopfusion " in image
    command = (ROOT / "docker" / "evidently.Dockerfile").read_text()
    assert '"--workspace=/var/lib/shopfusion/evidently"' in command


def test_every_published_port_is_on_loopback():
    published = [port for service in COMPOSE.values() for port in service.get("ports", [])]
    assert len(published) == 5
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_every_secret_is_asked_for_in_the_example():
    text = (ROOT / "docker" / "compose.yaml").read_text()
    asked = set(re.findall(r"\$\{([A-Z0-9_]+):\?\}", text))
    example = (ROOT / "docker" / "example.env").read_text()
    assert asked == set(re.findall(r"^([A-Z0-9_]+)=", example, re.MULTILINE))
