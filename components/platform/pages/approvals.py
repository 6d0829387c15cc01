"""What waits for a person in Airflow: open Required Actions, by its public REST API."""

import time
from dataclasses import dataclass
from threading import Lock
from typing import Any

import httpx

from components.platform.settings import Settings

SECONDS = 5.0  # to answer
TOKEN_SECONDS = 3600.0
_token: dict[str, tuple[str, float]] = {}
_lock = Lock()


@dataclass(frozen=True)
class Approval:
    """One question that waits for an answer."""

    subject: str
    dag: str
    since: str
    link: str


@dataclass(frozen=True)
class Approvals:
    """The open questions, or why they are not known."""

    open: tuple[Approval, ...] = ()
    problem: str = ""


def open_approvals(settings: Settings) -> Approvals:
    """Ask Airflow; a page is not to fail because Airflow is away."""
    if not settings.airflow_url or settings.airflow_password is None:
        return Approvals(problem="Airflow's address is not configured (SHOPFUSION_AIRFLOW_URL).")
    try:
        with httpx.Client(base_url=settings.airflow_url, timeout=SECONDS) as client:
            client.headers["Authorization"] = f"Bearer {_signed_in(client, settings)}"
            answer = client.get(
                "/api/v2/dags/~/dagRuns/~/hitlDetails", params={"response_received": False}
            )
            answer.raise_for_status()
            return Approvals(
                tuple(
                    _approval(question, settings.airflow_url)
                    for question in answer.json()["hitl_details"]
                )
            )
    except (httpx.HTTPError, KeyError, ValueError) as error:
        _token.clear()
        return Approvals(problem=f"Airflow does not say: {' '.join(str(error).split())[:200]}")


def _signed_in(client: httpx.Client, settings: Settings) -> str:
    """Return a token; one is kept for a while."""
    with _lock:
        kept, made = _token.get(str(client.base_url), ("", 0.0))
        if kept and time.monotonic() - made < TOKEN_SECONDS:
            return kept
        password = settings.airflow_password.get_secret_value() if settings.airflow_password else ""
        login = {"username": settings.airflow_user, "password": password}
        answer = client.post("/auth/token", json=login)
        answer.raise_for_status()
        token = str(answer.json()["access_token"])
        _token[str(client.base_url)] = (token, time.monotonic())
        return token


def _approval(question: dict[str, Any], airflow: str) -> Approval:
    task = question["task_instance"]
    place = f"/dags/{task['dag_id']}/runs/{task['dag_run_id']}/tasks/{task['task_id']}"
    return Approval(
        subject=str(question["subject"]),
        dag=str(task["dag_id"]),
        since=str(question["created_at"])[:16].replace("T", " "),
        link=f"{airflow}{place}/required_actions",
    )
