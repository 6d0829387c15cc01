"""Waits until every service answers as it should, or says which does not and why."""

import os
import socket
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import httpx

from components.platform import storage
from components.platform.errors import ServiceError, StorageError
from components.platform.progress import say
from services import supervision
from services.programs import SERVING
from services.settings import HOST, ServiceSettings

CELERY = "apache-airflow-providers-celery"
LINES_OF_LOG = 40
SECONDS_OF_BROKER = 5
FAILED = {"FATAL", "EXITED", "BACKOFF", "UNKNOWN"}
AIRFLOW_PARTS = {
    "airflow-api-server": "metadatabase",
    "airflow-scheduler": "scheduler",
    "airflow-dag-processor": "dag_processor",
    "airflow-triggerer": "triggerer",
}


def require_free_ports(settings: ServiceSettings) -> None:
    """Refuse to start where another program listens already.

    Raises:
        ServiceError: names the first busy port and the setting that moves it.

    """
    for port, setting in settings.ports().items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                raise ServiceError(
                    f"port {port} of {HOST} to be free",
                    error.strerror or str(error),
                    f"stop the program that holds it, or set {setting} to another port",
                ) from error


def require_broker(settings: ServiceSettings) -> None:
    """Refuse a broker that Airflow could not reach: its worker would wait for it, and seem well.

    Raises:
        ServiceError: Airflow's part for Celery is not installed, or the broker does not answer.

    """
    if not settings.broker:
        return
    try:
        metadata.version(CELERY)
    except metadata.PackageNotFoundError as error:
        raise ServiceError(
            f"{CELERY}, for SHOPFUSION_BROKER", "none", "run `make install-scale`"
        ) from error
    from kombu import Connection

    try:
        with Connection(settings.broker, connect_timeout=SECONDS_OF_BROKER) as connection:
            connection.ensure_connection(max_retries=1, timeout=SECONDS_OF_BROKER)
    except Exception as error:  # of the transport that the address names
        raise ServiceError(
            "the broker of SHOPFUSION_BROKER to answer",
            f"{type(error).__name__}, as kombu says",
            "see whether it runs, or correct the address",
        ) from error


def wait_until_healthy(settings: ServiceSettings, started: float) -> None:
    """Return when every program is up and answers; `started` on the monotonic clock.

    Raises:
        ServiceError: a program failed, or the deadline passed; carries the end of its log.

    """
    pending = _checks(settings)
    first_start: dict[str, int] = {}
    while pending:
        for name, state in supervision.states(settings).items():
            if state.since and first_start.setdefault(name, state.since) != state.since:
                raise _failed(name, "it ended soon after its start", settings)
            if state.word in FAILED:
                raise _failed(name, f"state {state.word}", settings)
        for name in [name for name, check in pending.items() if check()]:
            del pending[name]
            say(f"{name} is up after {time.monotonic() - started:.0f} s")
        if pending and time.monotonic() - started > settings.start_timeout:
            raise _failed(
                next(iter(pending)), f"no healthy answer in {settings.start_timeout:g} s", settings
            )
        time.sleep(0.3)


def log_tail(path: Path) -> str:
    """Return the last lines of a log."""
    if not path.exists():
        return f"{path}: no log"
    lines = path.read_text(errors="replace").splitlines()[-LINES_OF_LOG:]
    return "\n".join([f"end of {path}:", *(f"    {line}" for line in lines)])


def _checks(settings: ServiceSettings) -> dict[str, Callable[[], bool]]:
    checks: dict[str, Callable[[], bool]] = {
        "mlflow": lambda: _answer(f"{settings.mlflow_url}/health") is not None,
        "evidently": lambda: _answer(settings.evidently_url) is not None,
        SERVING: lambda: _answer(f"{settings.serving_url}/health") is not None,
    }
    if settings.own_store:
        checks["s3"] = lambda: _store_answers(settings.s3_bucket)
    return checks | {name: _part(settings, part) for name, part in AIRFLOW_PARTS.items()}


def _part(settings: ServiceSettings, part: str) -> Callable[[], bool]:
    def healthy() -> bool:
        answer = _answer(f"{settings.airflow_url}/api/v2/monitor/health")
        return answer is not None and answer.json()[part]["status"] == "healthy"

    return healthy


def _store_answers(bucket: str) -> bool:
    """Ask with our own keys: weed moves to another port in silence when one is busy."""
    try:
        storage.ensure_bucket(bucket)
    except StorageError:
        return False
    return True


def _answer(url: str) -> httpx.Response | None:
    try:
        answer = httpx.get(url, timeout=5)
    except httpx.HTTPError:
        return None
    return answer if answer.is_success else None


def _failed(name: str, seen: str, settings: ServiceSettings) -> ServiceError:
    path = settings.logs / f"{name}.log"
    return ServiceError(
        f"{name} to be up", seen, f"mend what its log says{os.linesep}{log_tail(path)}"
    )
