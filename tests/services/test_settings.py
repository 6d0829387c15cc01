"""Ports and folders from the environment."""

import pytest

from components.platform.errors import ServiceError
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


def test_celery_without_postgresql_is_one_line_that_names_both(monkeypatch):
    monkeypatch.setenv("SHOPFUSION_BROKER", "redis://:secret@127.0.0.1:6379/0")
    with pytest.raises(
        ServiceError, match=r"SHOPFUSION_BROKER; .* set SHOPFUSION_DATABASE as well"
    ) as said:
        service_settings()
    assert "secret" not in str(said.value)


def test_a_server_of_databases_has_one_for_each(monkeypatch):
    assert service_settings().database_of("mlflow").endswith("/mlflow/mlflow.db")
    monkeypatch.setenv("SHOPFUSION_DATABASE", "postgresql+psycopg2://a:b@host:5432?sslmode=require")
    settings = service_settings()
    assert settings.database_of("airflow") == (
        "postgresql+psycopg2://a:b@host:5432/airflow?sslmode=require"
    )


def test_the_store_that_a_shell_was_told_of_is_our_own(monkeypatch):
    monkeypatch.setenv("SHOPFUSION_S3_ENDPOINT", service_settings().s3_url)
    assert service_settings().own_store
    monkeypatch.setenv("SHOPFUSION_S3_ENDPOINT", "https://s3.eu-central-1.amazonaws.com")
    settings = service_settings()
    assert not settings.own_store
    assert len(settings.ports()) == 4
