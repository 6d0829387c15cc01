"""Seconds until another champion answers: after an alias was moved, and after a roll back.

    SHOPFUSION_HOME=/tmp/swap python -m benchmarks.swap RUN [TIMES]

RUN is the folder of a finished run (data/prepared and models/). The whole platform is started in a
new folder of state, on the ports of the environment; the run's fused model and towers are
registered twice. Then, TIMES times (5): the alias `champion` is moved by hand from version 1 to 2,
and the DAG `shop_ranking_rollback` is triggered. A client asks for recommendations 20 times a
second all the while; a second is counted from the moment before the alias is moved, or the DAG
triggered, to the first answer that names the other version.
"""

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import httpx
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from components.platform import tracking
from components.platform.errors import DataError, ServiceError, ShopError
from components.platform.progress import say
from components.platform.promotion import promote
from components.platform.registry.fetching import parent_tag
from components.platform.registry.policy import POLICY, Policy, load_policy
from components.shop_ranking import application as shop
from components.shop_ranking.application import SHOP_RANKING
from components.shop_ranking.model_registration.packages import ranker_package, tower_package
from components.shop_ranking.params import Params
from services import lifecycle
from services.airflow_api import AirflowApi
from services.credentials import credentials
from services.progress import FINISHED
from services.settings import ROOT, ServiceSettings, service_settings

TIMES = 5
ROLLBACK = "shop_ranking_rollback"
A_SECOND = 20  # requests
PATIENCE = 300.0  # seconds that a swap may take
AIM = 10.0  # seconds from alias to answer


@dataclass(frozen=True)
class Answered:
    """One request: when its answer came, on the monotonic clock, and whose it was."""

    moment: float
    version: str | None  # None: it failed
    seconds: float


@dataclass
class Client:
    """Asks at a steady rate, however long each answer takes."""

    url: str
    users: list[str]
    answers: list[Answered] = field(default_factory=list)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Ask while the block runs."""
        stop = threading.Event()
        thread = threading.Thread(target=self._ask_on, args=(stop,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def first(self, version: str, since: float) -> float:
        """Return the seconds from `since` to the first answer by a version.

        Raises:
            ServiceError: none came in time.

        """
        while time.monotonic() < since + PATIENCE:
            for answer in list(self.answers):
                if answer.moment >= since and answer.version == version:
                    return answer.moment - since
            time.sleep(0.01)
        raise ServiceError(f"an answer by {version}", f"none in {PATIENCE:g} s", "see serving.log")

    def _ask_on(self, stop: threading.Event) -> None:
        started = time.monotonic()
        with httpx.Client(base_url=self.url, timeout=60) as http, ThreadPoolExecutor(16) as pool:
            sent = 0
            while not stop.is_set():
                pool.submit(self._ask, http, self.users[sent % len(self.users)])
                sent += 1
                time.sleep(max(0.0, started + sent / A_SECOND - time.monotonic()))

    def _ask(self, http: httpx.Client, user: str) -> None:
        began = time.monotonic()
        try:
            answer = http.post("/recommend", json={"user_id": user}).raise_for_status().json()
            version = str(answer["model_version"])
        except httpx.HTTPError:
            version = None
        now = time.monotonic()
        self.answers.append(Answered(now, version, now - began))


def main(run: Path, times: int) -> None:
    """Start the platform, measure, print, stop it."""
    settings = service_settings().model_copy(update={"serving_clock": "data"})
    if (settings.home / "credentials.json").exists():
        raise DataError("a new folder of state", str(settings.home), "set SHOPFUSION_HOME")
    lifecycle.up(settings)
    try:
        policy = load_policy(SHOP_RANKING, ROOT / POLICY)
        users = register_twice(run, policy)
        client = Client(settings.serving_url, users)
        _until_ready(settings)
        with AirflowApi(settings, credentials(settings.home)[0]) as airflow, client.asking():
            airflow.wait_for_dag(ROLLBACK)
            moved, back = measure(client, airflow, policy, times)
        show(moved, back, client.answers)
    finally:
        lifecycle.down(settings)


def register_twice(run: Path, policy: Policy) -> list[str]:
    """Make versions 1 (champion) and 2 of the run's models; return shoppers that they know."""
    prepared = run / shop.PREPARED
    with tempfile.TemporaryDirectory() as scratch, tracking.stage_run("swap", Params()):
        tags = {}
        for name, folder in (
            ("text", shop.TOWER_FOLDERS["text"]),
            ("image", shop.TOWER_FOLDERS["image"]),
        ):
            package = tower_package(run / folder, prepared, Path(scratch))
            made = tracking.register(package, policy.names[name], {})
            tags[parent_tag(name)] = f"{made.name}/{made.version}"
        package = ranker_package(run / shop.FUSED, prepared, Path(scratch))
        for _ in range(2):
            made = tracking.register(package, policy.leading, tags)
            say(f"registered {made.name}/{made.version}")
        promote(policy, "1", None)
        users = pq.read_table(package.folder / "ids" / "users.parquet")["user_id"].to_pylist()
    return users[:500]


def measure(
    client: Client, airflow: AirflowApi, policy: Policy, times: int
) -> tuple[list[float], list[float]]:
    """Return the seconds of each swap by hand, and of each roll back."""
    name = policy.leading
    client.first(f"{name}/1", time.monotonic())
    second = tracking.version(name, "2")
    moved, back = [], []
    for _ in range(times):
        began = time.monotonic()
        tracking.move_alias(policy.aliases.champion, second)
        moved.append(client.first(f"{name}/2", began))
        began = time.monotonic()
        run = airflow.trigger(ROLLBACK, {})
        back.append(client.first(f"{name}/1", began))
        while airflow.run(ROLLBACK, run)["state"] not in FINISHED:  # it goes on to `previous`
            time.sleep(0.2)
        say(f"alias {moved[-1]:.2f} s, rollback {back[-1]:.2f} s")
    return moved, back


def show(moved: list[float], back: list[float], answers: list[Answered]) -> None:
    """Print the table, and how the client fared."""
    table = Table("seconds to the first answer", "times", "median", "worst", "aim", box=None)
    for what, taken, aim in (
        ("alias moved by hand", moved, f"{AIM:g}"),
        ("DAG rollback triggered", back, "-"),
    ):
        row = (str(len(taken)), f"{median(taken):.2f}", f"{max(taken):.2f}", aim)
        table.add_row(what, *row)
    Console().print(table)
    failed = sum(answer.version is None for answer in answers)
    slowest = max(answer.seconds for answer in answers)
    say(f"{len(answers)} requests, {A_SECOND} a second; {failed} failed; slowest {slowest:.2f} s")


def _until_ready(settings: ServiceSettings) -> None:
    deadline = time.monotonic() + PATIENCE
    while httpx.get(f"{settings.serving_url}/ready", timeout=60).is_error:
        if time.monotonic() > deadline:
            raise ServiceError("the server to be ready", "it is not", "see serving.log")
        time.sleep(0.2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("times", type=int, nargs="?", default=TIMES, help="swaps there and back")
    asked = parser.parse_args()
    try:
        main(asked.run.resolve(), asked.times)
    except ShopError as error:
        sys.exit(f"swap: {error}")
