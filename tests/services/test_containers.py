"""docker/compose.yaml says what services/ says."""

import importlib.util
import json
import os
import re
import subprocess
from pathlib import Path

import yaml

from services.credentials import Credentials
from services.programs import BIN, airflow_access, airflow_environment, serving, stage_environment
from services.settings import ServiceSettings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())["services"]
# Of one machine only, or set in the image.
ELSEWHERE = {
    "AIRFLOW_HOME",
    "AIRFLOW__API__BASE_URL",
    "AIRFLOW__CORE__DAGS_FOLDER",
    "PATH",
    "SHOPFUSION_HOME",
    "SHOPFUSION_KEEP_RUNS",
}
# The address that people reach is another than the container's: the page shows no approvals.
UNKNOWN = {"SHOPFUSION_AIRFLOW_USER", "SHOPFUSION_AIRFLOW_PASSWORD"}


def test_the_scheduler_gets_every_variable_that_the_single_machine_sets():
    settings, keys = ServiceSettings(), Credentials()
    wanted = airflow_environment(settings, keys) | stage_environment(settings, keys)
    wanted |= airflow_access(settings, keys)
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


def test_airflow_takes_the_password_that_its_tasks_are_given(tmp_path: Path):
    """The entry point of the image, with a program in the place of Airflow."""
    given = COMPOSE["airflow-api-server"]["environment"]
    program, passwords = tmp_path / "airflow", tmp_path / "passwords.json"
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(0o755)
    secret = "a 'quoted' \"password\""
    environment = {
        "PATH": os.pathsep.join([str(tmp_path), str(BIN), os.defpath]),
        "SHOPFUSION_AIRFLOW_USER": given["SHOPFUSION_AIRFLOW_USER"],
        "SHOPFUSION_AIRFLOW_PASSWORD": secret,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
    }
    image = (ROOT / "docker" / "airflow.Dockerfile").read_text()
    assert 'ENTRYPOINT ["/opt/shopfusion/docker/airflow-entrypoint.sh"]' in image

    def start(*command: str) -> str:
        entry_point = ROOT / "docker" / "airflow-entrypoint.sh"
        done = subprocess.run(
            [entry_point, *command], env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    assert start("scheduler") == "scheduler"
    assert not passwords.exists()
    assert start("api-server", "--port=8080") == "api-server --port=8080"
    assert json.loads(passwords.read_text()) == {"admin": secret}
    assert passwords.stat().st_mode & 0o777 == 0o600
    assert given["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"] == "admin:admin"


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
