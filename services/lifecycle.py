"""Up, down and status of the platform's services on this machine."""

import fcntl
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from components.platform import storage
from components.platform.errors import ServiceError
from components.platform.progress import say
from components.platform.settings import settings as component_settings
from services import health, supervision
from services.credentials import USER, Credentials, credentials, write_private
from services.programs import (
    BIN,
    CLOCK,
    SERVING,
    airflow_environment,
    passwords_file,
    programs,
    stage_environment,
)
from services.settings import ROOT, ServiceSettings

RUNNING = "running.json"  # in the folder of state: the settings its services were started with
WHERE = {name for name in ServiceSettings.model_fields if name.endswith("_port")} | {
    *("s3_endpoint", "s3_bucket", "s3_access_key", "s3_secret_key", "database", "broker"),
}
FOLDERS = ("airflow", "mlflow", "evidently", "s3", "logs", "runs")


def as_running(settings: ServiceSettings) -> ServiceSettings:
    """Return the settings with which the running services were started; as they are where none run.

    Whoever asks later, from a shell that sets other ports or none, reaches those services.
    """
    path = settings.home / RUNNING
    if not path.exists() or not supervision.states(settings):
        return settings
    return settings.model_copy(update=json.loads(path.read_text()))


def up(settings: ServiceSettings) -> None:
    """Start every service and wait until all are healthy; say so where they are up already.

    From then on the components in this process reach them too.

    Raises:
        ServiceError: a port is busy, or a service does not come up; nothing is left running.
        StorageError: another S3 store is named, and it cannot be reached or refuses the keys.

    """
    with _alone(settings):
        keys, made = credentials(settings.home)
        os.environ.update(stage_environment(settings, keys))
        component_settings.cache_clear()
        if supervision.states(settings):
            say(f"The services of {settings.home} are up already.")
            _set_clock(settings, keys)
            show(settings)
            return
        left = supervision.stop(settings)
        if left:
            say(f"Ended {left} processes that an earlier start had left behind.")
        health.require_free_ports(settings)
        health.require_broker(settings)
        if not settings.own_store:
            storage.ensure_bucket(settings.s3_bucket)
        _prepare(settings, keys)
        try:
            _start(settings, keys)
        except BaseException:
            supervision.stop(settings)
            raise
        show(settings)
        if made:
            _print_keys(settings, keys)


def down(settings: ServiceSettings) -> None:
    """Stop every service and every process that one of them started."""
    with _alone(settings):
        ended = supervision.stop(settings)
        say(f"Stopped: {ended} processes ended." if ended else "Nothing was running.")


def status(settings: ServiceSettings) -> bool:
    """Print the state of every program; return whether all are running."""
    states = supervision.states(settings)
    if not states:
        say(f"The services of {settings.home} are down; `make up` starts them.")
        return False
    for name, state in states.items():
        say(f"{name:24}{state.word.lower()}")
    show(settings)
    return {state.word for state in states.values()} == {"RUNNING"}


def show(settings: ServiceSettings) -> None:
    """Print the addresses."""
    say(f"Shop       {settings.serving_url}")
    say(f"Business   {settings.serving_url}/operations  (admin key)")
    say(f"Airflow    {settings.airflow_url}  (user {USER})")
    say(f"MLflow     {settings.mlflow_url}")
    say(f"Evidently  {settings.evidently_url}")
    say(f"S3         {settings.s3_url}")
    say(f"State, logs and passwords are in {settings.home}; `make down` stops everything.")


def environment(settings: ServiceSettings) -> dict[str, str]:
    """Return the variables with which a shell finds the programs and reaches these services."""
    keys, _ = credentials(settings.home)
    path = f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return stage_environment(settings, keys) | {"PATH": path}


@contextmanager
def _alone(settings: ServiceSettings) -> Iterator[None]:
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (settings.home / "lifecycle.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ServiceError(
                f"nobody else to start or stop the services of {settings.home}",
                "another `up` or `down` at work",
                "wait until it is done",
            ) from error
        yield


def _set_clock(settings: ServiceSettings, keys: Credentials) -> None:
    """Start the server anew, and it alone, where another clock is asked for than it runs by."""
    wanted = settings.serving_clock
    if wanted is None or wanted == supervision.environment_of(SERVING, settings).get(CLOCK):
        return
    say(f"Starting the server anew, by the clock: {wanted}.")
    started = time.monotonic()
    supervision.start_anew(SERVING, programs(settings, keys), settings)
    health.wait_until_healthy(settings, started)


def _prepare(settings: ServiceSettings, keys: Credentials) -> None:
    for name in FOLDERS:
        (settings.home / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(settings.home / RUNNING, json.dumps(settings.model_dump(include=WHERE)))
    write_private(passwords_file(settings), json.dumps({USER: keys.airflow_password}))


def _start(settings: ServiceSettings, keys: Credentials) -> None:
    started = time.monotonic()
    chosen = programs(settings, keys)
    supervision.start(chosen, settings)
    _migrate(settings, keys)
    supervision.start_group(
        settings, [program.name for program in chosen if program.group == "airflow"]
    )
    health.wait_until_healthy(settings, started)


def _migrate(settings: ServiceSettings, keys: Credentials) -> None:
    """Bring Airflow's database to this version's schema."""
    log = settings.logs / "airflow-migration.log"
    with log.open("w") as output:
        done = subprocess.run(
            [BIN / "airflow", "db", "migrate"],
            cwd=ROOT,
            env=os.environ | airflow_environment(settings, keys),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        raise ServiceError(
            "Airflow's database to be migrated",
            f"exit code {done.returncode}",
            f"mend what its log says{os.linesep}{health.log_tail(log)}",
        )


def _print_keys(settings: ServiceSettings, keys: Credentials) -> None:
    say("Made for this machine, printed once:")
    say(f"  Airflow  user {USER}  password {keys.airflow_password}")
    say(f"  Server   event key {keys.event_key}  admin key {keys.admin_key}")
    if settings.own_store:
        say(f"  S3       access key {keys.s3_access_key}  secret key {keys.s3_secret_key}")
