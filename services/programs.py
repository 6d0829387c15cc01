"""The platform's processes on one machine: their commands and their environments."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

from services.credentials import USER, Credentials
from services.s3 import addresses, store_keys, weed
from services.settings import HOST, ROOT, ServiceSettings

# Every process carries this variable, so that `down` finds each of them, orphans too.
MARK = "SHOPFUSION_SUPERVISED_BY"
SERVING = "serving"
CLOCK = "SHOPFUSION_SERVING_CLOCK"
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Program:
    """One process under the supervisor; those of group airflow wait for the migrated database."""

    name: str
    group: str
    command: tuple[str, ...]
    environment: dict[str, str]
    folder: Path | None = None  # where it runs; the folder of state by default


def programs(settings: ServiceSettings, keys: Credentials) -> tuple[Program, ...]:
    """Return every program, in the order in which they start."""
    airflow = airflow_environment(settings, keys)
    worker = airflow | stage_environment(settings, keys) | airflow_access(settings, keys)
    started: tuple[Program, ...] = (
        Program("mlflow", "tracking", _mlflow(settings), _mlflow_environment(settings, keys)),
        Program("evidently", "monitoring", _evidently(settings), {"DO_NOT_TRACK": "true"}),
        serving(settings, keys),
        Program(
            "airflow-api-server",
            "airflow",
            _airflow("api-server", "--host", HOST, "--port", str(settings.airflow_port)),
            airflow,
        ),
        Program("airflow-scheduler", "airflow", _airflow("scheduler", "--skip-serve-logs"), worker),
        Program("airflow-dag-processor", "airflow", _airflow("dag-processor"), airflow),
        Program(
            "airflow-triggerer", "airflow", _airflow("triggerer", "--skip-serve-logs"), airflow
        ),
    )
    if settings.own_store:
        keys_of_store = store_keys(settings, keys) | {"GOMEMLIMIT": "400MiB"}
        started = (Program("s3", "storage", weed(BIN, settings), keys_of_store), *started)
    if settings.broker:
        command = _airflow("celery", "worker", "--skip-serve-logs", "--without-mingle")
        started = (*started, Program("airflow-worker", "airflow", command, worker))
    return started


def serving(settings: ServiceSettings, keys: Credentials) -> Program:
    """Return the server: up before there is a champion, and then it says so."""
    environment = stage_environment(settings, keys) | serving_keys(keys)
    environment |= {
        "SHOPFUSION_SERVING_HOST": HOST,
        "SHOPFUSION_SERVING_PORT": str(settings.serving_port),
        CLOCK: settings.serving_clock or "real",
        "SHOPFUSION_SPOOL": str(settings.home / "spool"),
        # The operations page asks Airflow what waits for a person, and links to all of them.
        **airflow_access(settings, keys),
        "SHOPFUSION_EVIDENTLY_URL": settings.evidently_url,
    }
    command = (str(BIN / "python"), "-m", "components.server")
    return Program(SERVING, "serving", command, environment, ROOT)  # reads params.yaml


def stage_environment(settings: ServiceSettings, keys: Credentials) -> dict[str, str]:
    """Return what a stage of the pipeline and DVC need to reach MLflow and S3."""
    return addresses(settings, keys) | {
        "SHOPFUSION_HOME": str(settings.home),
        "SHOPFUSION_MLFLOW_URI": settings.mlflow_url,
        "SHOPFUSION_PSEUDONYM_KEY": keys.pseudonym_key,
        "SHOPFUSION_KEEP_RUNS": str(settings.keep_runs),
        "MLFLOW_TRACKING_URI": settings.mlflow_url,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
    }


def airflow_access(settings: ServiceSettings, keys: Credentials) -> dict[str, str]:
    """Return where Airflow's pages are, and as whom; a task writes its run's note there."""
    return {
        "SHOPFUSION_AIRFLOW_URL": settings.airflow_url,
        "SHOPFUSION_AIRFLOW_USER": USER,
        "SHOPFUSION_AIRFLOW_PASSWORD": keys.airflow_password,
    }


def serving_keys(keys: Credentials) -> dict[str, str]:
    """Return the keys that POST /events and /admin of the server need."""
    return {"SHOPFUSION_EVENT_KEY": keys.event_key, "SHOPFUSION_ADMIN_KEY": keys.admin_key}


def airflow_environment(settings: ServiceSettings, keys: Credentials) -> dict[str, str]:
    """Return Airflow's settings: those of airflow.env, and this machine's addresses and keys."""
    folder = settings.home / "airflow"
    shared = _file(ROOT / "services" / "airflow.env")
    if settings.broker:
        shared |= {
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CELERY__BROKER_URL": settings.broker,
        }
    return shared | {
        "AIRFLOW_HOME": str(folder),
        "SHOPFUSION_HOME": str(settings.home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{settings.airflow_url}/execution/",
        "AIRFLOW__CORE__FERNET_KEY": keys.airflow_fernet_key,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords_file(settings)),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": settings.database_of("airflow"),
        "AIRFLOW__API__BASE_URL": settings.airflow_url,
        "AIRFLOW__API__SECRET_KEY": keys.airflow_api_key,
        "AIRFLOW__API_AUTH__JWT_SECRET": keys.airflow_jwt_key,
        # Tasks run this environment's python and dvc.
        "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }


def passwords_file(settings: ServiceSettings) -> Path:
    """Return the file in which Airflow's simple auth manager looks up passwords."""
    return settings.home / "airflow" / "passwords.json"


def _mlflow(settings: ServiceSettings) -> tuple[str, ...]:
    return (
        str(BIN / "mlflow"),
        "server",
        f"--host={HOST}",
        f"--port={settings.mlflow_port}",
        "--workers=1",
        f"--artifacts-destination=s3://{settings.s3_bucket}/mlflow",
    )


def _mlflow_environment(settings: ServiceSettings, keys: Credentials) -> dict[str, str]:
    return (
        _file(ROOT / "mlflow" / "server.env")
        | store_keys(settings, keys)
        | {
            "MLFLOW_S3_ENDPOINT_URL": settings.s3_url,
            # Its password may not stand on a command line.
            "MLFLOW_BACKEND_STORE_URI": settings.database_of("mlflow"),
        }
    )


def _evidently(settings: ServiceSettings) -> tuple[str, ...]:
    return (
        str(BIN / "evidently"),
        "ui",
        f"--host={HOST}",
        f"--port={settings.evidently_port}",
        f"--workspace={settings.home / 'evidently'}",
    )


def _airflow(*arguments: str) -> tuple[str, ...]:
    return (str(BIN / "airflow"), *arguments)


def _file(path: Path) -> dict[str, str]:
    return {name: value for name, value in dotenv_values(path).items() if value is not None}
