"""Ports and folders from the environment."""

import pytest

from components.errors import ServiceError
from services.settings import ROOT, service_settings


def test_a_relative_home_lies_below_the_repository(monkeypatch):
    monkeypatch.setenv("SHOPFUSION_HOME", "elsewhere/state")
    assert service_settings().home == ROOT / "elsewhere" / "state"


def test_every_port_names_the_setting_that_moves_it(monkeypatch):
    monkeypatch.setenv("SHOPFUSION_S3_PORT", "9000")
    ports = service_settings().ports()
    assert [port for port, name in ports.items() if name == "SHOPFUSION_S3_PORT"] == [
        *(9000, 19000, 9001, 19001, 9002, 19002, 9003, 19003, 9004, 19004)
    ]
    assert len(ports) == 14


@pytest.mark.parametrize("value", ["http", "80", "70000"])
def test_a_wrong_port_is_one_line_that_names_the_variable(monkeypatch, value):
    monkeypatch.setenv("SHOPFUSION_MLFLOW_PORT", value)
    with pytest.raises(ServiceError, match=f"SHOPFUSION_MLFLOW_PORT; found '{value}'"):
        service_settings()


@pytest.mark.parametrize(
    ("taken", "both"),
    [
        ("8080", "8080 wanted by SHOPFUSION_AIRFLOW_PORT and SHOPFUSION_MLFLOW_PORT"),
        ("8335", "8335 wanted by SHOPFUSION_MLFLOW_PORT and SHOPFUSION_S3_PORT"),
        ("18334", "18334 wanted by SHOPFUSION_MLFLOW_PORT and SHOPFUSION_S3_PORT"),
    ],
)
def test_two_services_on_one_port_are_refused_by_both_names(monkeypatch, taken, both):
    monkeypatch.setenv("SHOPFUSION_MLFLOW_PORT", taken)
    with pytest.raises(ServiceError, match=both):
        service_settings().ports()
