"""docker/kubernetes says what docker/compose.yaml and the settings say, in Kubernetes' words."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values

from components.platform.settings import Settings
from tests.services.test_containers import COMPOSE

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docker" / "kubernetes"
VERSION = "1.32"  # the oldest that its makers still mend when this was written, or older
FILES = {"airflow": ROOT / "services" / "airflow.env", "mlflow": ROOT / "mlflow" / "server.env"}
# Compose gives the keys of S3 under both names; boto3 alone reads these.
BY_BOTO3 = {"SHOPFUSION_S3_ACCESS_KEY", "SHOPFUSION_S3_SECRET_KEY"}


def documents(name: str) -> list[dict[str, Any]]:
    """Return the objects of one file, those of a List one by one."""
    whole = [document for document in yaml.safe_load_all((FOLDER / name).read_text()) if document]
    return [
        item
        for document in whole
        for item in (document["items"] if document["kind"] == "List" else [document])
    ]


LISTED = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
OBJECTS = [
    document
    for name in LISTED
    for document in documents(name if name != "secrets.yaml" else "secrets.example.yaml")
]
PODS = {
    workload["metadata"]["name"]: workload["spec"]["template"]["spec"]
    for workload in OBJECTS
    if "template" in workload.get("spec", {})
}
CONTAINERS = {name: pod["containers"][0] for name, pod in PODS.items()}


def named(kind: str) -> dict[str, dict[str, Any]]:
    return {
        document["metadata"]["name"]: document for document in OBJECTS if document["kind"] == kind
    }


def environment(name: str) -> set[str]:
    """Return the names of the variables that a container gets."""
    container, names = CONTAINERS[name], set()
    for source in container["envFrom"]:
        if "secretRef" in source:
            names |= set(named("Secret")[source["secretRef"]["name"]]["stringData"])
        elif (config := source["configMapRef"]["name"]) in FILES:
            names |= set(dotenv_values(FILES[config]))
        else:
            names |= set(named("ConfigMap")[config]["data"])
    return names | {variable["name"] for variable in container.get("env", [])}


def composed(name: str) -> set[str]:
    """Return the names of the variables that the container of compose.yaml gets."""
    service = COMPOSE[name]
    file = service.get("env_file")
    shared = set(dotenv_values(ROOT / "docker" / file)) if file else set()
    return (shared | set(service["environment"])) - BY_BOTO3


@pytest.mark.parametrize(
    "document", OBJECTS, ids=lambda document: f"{document['kind']}/{document['metadata']['name']}"
)
def test_every_object_is_one_of_kubernetes(document: dict[str, Any]) -> None:
    validator = pytest.importorskip(
        "kubernetes_validate", reason="`make install-scale` installs it"
    )
    validator.validate(document, VERSION, strict=True)


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_every_container_gets_the_variables_of_compose(name: str) -> None:
    given = environment(name)
    same = "airflow-scheduler" if name == "airflow-worker" else name  # Compose has no workers
    assert composed(same) <= given
    more = {"MLFLOW_S3_ENDPOINT_URL"}  # in the shared map, for MLflow
    if name.startswith("airflow"):
        more |= {"AIRFLOW__CELERY__BROKER_URL"}
    if name == "serving":  # of which Compose has one
        more |= {"SHOPFUSION_REDIS_URL"}
    if name == "mlflow":  # which reads neither of them
        more = set(named("ConfigMap")["stores"]["data"])
    assert given - composed(same) <= more


def test_every_setting_that_is_named_exists() -> None:
    text = "".join(path.read_text() for path in FOLDER.iterdir())
    named_here = set(re.findall(r"SHOPFUSION_([A-Z0-9_]+)", text))
    assert {name.lower() for name in named_here} <= set(Settings.model_fields)


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_images_commands_and_ports_are_those_of_compose(name: str) -> None:
    container = CONTAINERS[name]
    if name == "airflow-worker":
        same = COMPOSE["airflow-scheduler"]
        assert container["args"][:2] == ["celery", "worker"]
    else:
        same = COMPOSE[name]
        command = [*container.get("command", []), *container.get("args", [])]
        wanted = [*same.get("entrypoint", []), *same.get("command", [])]
        assert [part.split("=")[0] for part in command] == [part.split("=")[0] for part in wanted]
    assert container["image"] == same["image"]
    assert (ROOT / "docker" / f"{same['image'].split('/')[1]}.Dockerfile").exists()
    published = {int(port.split(":")[-1]) for port in same.get("ports", [])}
    assert {port["containerPort"] for port in container.get("ports", [])} == published


def test_what_answers_is_probed_and_reached_by_its_name() -> None:
    services = named("Service")
    assert set(services) == {
        name for name, container in CONTAINERS.items() if container.get("ports")
    }
    for name, service in services.items():
        assert service["spec"]["selector"] == {"app": name}
        port = CONTAINERS[name]["ports"][0]["containerPort"]
        assert [port_of["port"] for port_of in service["spec"]["ports"]] == [port]
        assert {"readinessProbe", "livenessProbe"} <= set(CONTAINERS[name])
    probes = CONTAINERS["serving"]
    assert probes["livenessProbe"]["httpGet"] == {"path": "/health", "port": 8090}
    assert probes["readinessProbe"]["httpGet"] == {"path": "/ready", "port": 8090}


def test_servers_that_are_several_know_the_same() -> None:
    assert named("StatefulSet")["serving"]["spec"]["replicas"] > 1
    assert "SHOPFUSION_REDIS_URL" in environment("serving")


def test_every_pod_has_resources_and_is_not_root() -> None:
    for name, pod in PODS.items():
        assert pod["securityContext"]["runAsNonRoot"], name
        wanted = pod["containers"][0]["resources"]
        assert wanted["requests"].keys() == {"cpu", "memory"}, name
        assert "memory" in wanted["limits"], name


def test_no_secret_stands_in_a_manifest() -> None:
    secret = {key for document in named("Secret").values() for key in document["stringData"]}
    for name, container in CONTAINERS.items():
        assert not secret & {variable["name"] for variable in container.get("env", [])}, name
    assert not secret & set(named("ConfigMap")["stores"]["data"])
    assert "docker/kubernetes/secrets.yaml" in (ROOT / ".gitignore").read_text().splitlines()
    assert not (set(LISTED) - {"secrets.yaml"}) - {path.name for path in FOLDER.iterdir()}
