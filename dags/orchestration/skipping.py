"""A task that has nothing to do: skipped, and why stands on the run's page as its note."""

from typing import NoReturn

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

SECONDS = 30.0  # for an answer of Airflow, on a machine whose cores are all busy
LONGEST = 1000  # characters of a note


def skip(context: Context, reason: str) -> NoReturn:
    """End the task as skipped; the reason is in its log, and the run's note.

    Raises:
        AirflowSkipException: always.

    """
    from components.platform.progress import say

    if (problem := _write_note(context, reason)) is not None:
        say(f"the run has no note: {problem}")
    raise AirflowSkipException(reason)


def _write_note(context: Context, note: str) -> str | None:
    """Write the note by Airflow's REST API; return what came between, a skip is none the less one.

    A task has no other way: what it talks to beside that API knows nothing of notes.
    """
    import httpx

    from components.platform.settings import settings

    airflow, run = settings(), context.get("dag_run")
    if run is None or not airflow.airflow_url or airflow.airflow_password is None:
        return "SHOPFUSION_AIRFLOW_URL and SHOPFUSION_AIRFLOW_PASSWORD do not say where Airflow is"
    password = airflow.airflow_password.get_secret_value()
    try:
        with httpx.Client(base_url=airflow.airflow_url, timeout=SECONDS) as client:
            login = {"username": airflow.airflow_user, "password": password}
            token = client.post("/auth/token", json=login).raise_for_status().json()["access_token"]
            client.patch(
                f"/api/v2/dags/{run.dag_id}/dagRuns/{run.run_id}",
                params={"update_mask": "note"},
                json={"note": note[:LONGEST]},
                headers={"Authorization": f"Bearer {token}"},
            ).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL, KeyError, TypeError, ValueError) as error:
        return " ".join(str(error).split())
    return None
