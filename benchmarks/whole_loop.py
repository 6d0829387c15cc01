"""The loop on real feedback, whole: replay, ingest, retrain as the DAG does, and what it gains.

    PYTHONPATH=dags python -m benchmarks.whole_loop RUN FOLDER

RUN is the workspace of a finished run whose champion knows nothing from November on; the key that
made its pseudonyms is in SHOPFUSION_PSEUDONYM_KEY. FOLDER takes a registry, an S3 store and the
workspaces. The frozen model answers the replay of November; its server ships the events to S3,
feedback ingestion makes partitions of them, and retraining and fusion refresh run on these with
the conf that their DAGs would trigger. Then all answer weeks 49 to 52, paired by visit.

SHARE sub-samples the shoppers of the last part; feedback is always everybody's, because it takes
the place of the raw data of its time. Started again, it goes on behind the last finished step.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.loop_gain import FIRST, LAST, SHARE, Served, moment, replayed, report
from components import storage, tracking
from components.champions import promote
from components.feedback_ingestion import component as feedback_ingestion
from components.feedback_ingestion.partitions import publish_items
from components.files import read_table
from components.model_registration.shop import last_cut
from components.params import load_params
from components.pipeline import PREPARED, TABLES
from components.progress import say
from components.registry import POLICY, Policy, load_policy
from components.retraining import champion_of, decide, read_fed_back, window_end
from components.serving.events.segments import PREFIX, framed, records_of
from components.serving.holder import fetch
from components.settings import settings
from orchestration.form import RETRAIN, WARM_START
from orchestration.workspace import create
from services.replay.settings import ReplaySettings
from services.replay.visits import read_visits
from services.settings import ROOT
from tests.store import Store

FEEDBACK = "s3:feedback/"
FROZEN = "frozen"
# Name of a challenger -> what its DAG adds to the conf.
CHALLENGERS: dict[str, dict[str, Any]] = {
    "retrained": {WARM_START: True},
    "refreshed": {RETRAIN: []},
}
Result = TypeVar("Result")


def main(run: Path, home: Path) -> None:
    """Go round the loop once and print what it took and what it gained."""
    replay = ReplaySettings(ad_slots=0)
    compared = replay.model_copy(update={"shoppers": SHARE})
    with platform(home):
        policy = load_policy(ROOT / POLICY)
        tables = home / "runs" / FROZEN / TABLES
        packages = {FROZEN: timed("register frozen", lambda: register_frozen(run, home, policy))}
        if not (home / "spool").exists():
            timed("replay November", lambda: send_feedback(tables, packages[FROZEN], home, replay))
        timed("ingest feedback", lambda: ingest(tables))
        for name, more in CHALLENGERS.items():
            packages[name] = timed(name, lambda n=name, m=more: train(n, m, home, policy))
        rows = {
            name: timed(f"weeks 49 to 52, {name}", lambda f=folder: side(tables, f, home, compared))
            for name, folder in packages.items()
        }
    for name in CHALLENGERS:
        report(name, rows[FROZEN], rows[name])


@contextmanager
def platform(home: Path) -> Iterator[None]:
    """Run an S3 store, and point this process and its children at it and at a registry."""
    home.mkdir(parents=True, exist_ok=True)
    store = Store(home / "store")
    os.environ |= store.environment | {
        "SHOPFUSION_HOME": str(home),
        "SHOPFUSION_MLFLOW_URI": f"sqlite:///{home}/mlflow.db",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    settings.cache_clear()
    store.start()
    try:
        yield
    finally:
        store.kill()


def register_frozen(run: Path, home: Path, policy: Policy) -> Path:
    """Make the run's model the champion of this registry; return its packages."""
    target = home / "runs" / FROZEN
    if not target.exists():
        shutil.copytree(run, target)
    stage(target, FROZEN, [sys.executable, "-m", "components", "model_registration"])
    found = tracking.champion(policy.models.fused, policy.aliases.challenger)
    assert found is not None  # it was registered just now
    before = tracking.champion(policy.models.fused, policy.aliases.champion)
    promote(policy, found.version, before.version if before else None)
    return packages_of(policy, FROZEN, home)


def send_feedback(tables: Path, packages: Path, home: Path, replay: ReplaySettings) -> None:
    """Replay until a day after the challengers' window ends: that a day is over, the next shows."""
    spool = home / "spool.unfinished"
    with Served(packages, spool) as shop:
        until = FIRST + timedelta(days=1)
        visits = read_visits(tables, shop.now(), until, replay.shoppers, replay.seed)
        replayed(shop, visits, replay)
    spool.rename(home / "spool")  # the server has shipped all of it


def ingest(tables: Path) -> None:
    """Bring every partition up to date, as the DAG feedback_ingestion does."""
    publish_items(read_table(tables / "products.parquet", ["item_id"]))
    feedback_ingestion.run(load_params(ROOT / "params.yaml"))


def train(name: str, more: dict[str, Any], home: Path, policy: Policy) -> Path:
    """Run the pipeline with the conf that the DAG would trigger; return the packages."""
    champion, overrides = champion_of(policy)
    fed_back = read_fed_back(FEEDBACK, window_end(champion))
    found = decide(
        champion, overrides, fed_back, source=FEEDBACK, floor=0, asked_for="the benchmark"
    )
    assert found.conf is not None  # somebody asked for it
    workspace = create(ROOT, name, found.conf | more)
    stage(workspace, name, ["dvc", "repro"])
    knows_until = date.fromisoformat(last_cut(workspace / PREPARED)["day"])
    if knows_until > FIRST:
        raise SystemExit(f"{name} learnt until {knows_until}, after {FIRST}")
    return packages_of(policy, name, home)


def stage(workspace: Path, run_id: str, command: list[str]) -> None:
    """Run a command of the pipeline in a workspace."""
    environment = os.environ | {"SHOPFUSION_RUN_ID": run_id}
    subprocess.run(command, cwd=workspace, env=environment, check=True)


def packages_of(policy: Policy, name: str, home: Path) -> Path:
    """Fetch the newest version, as a server does that follows an alias."""
    target = home / "packages" / name
    shutil.rmtree(target, ignore_errors=True)
    version = tracking.champion(policy.models.fused, policy.aliases.challenger)
    assert version is not None  # registered by the run before
    found = fetch(version, home / "downloads" / name)
    for part, source in (("ranker", found.ranker), ("text", found.text), ("image", found.image)):
        if source is not None:
            shutil.copytree(source, target / part)
    say(f"{name} is {found.version}, dvc.lock {version.tags['dvc_lock']}")
    return target


def side(tables: Path, packages: Path, home: Path, replay: ReplaySettings) -> Any:
    """Return a row a visit of weeks 49 to 52, by key, after all that happened in November."""
    spool = home / "sides" / packages.name
    shutil.rmtree(spool, ignore_errors=True)
    spool.mkdir(parents=True)
    start = moment(FIRST).isoformat()
    for one in storage.stored(PREFIX):
        records = [r for r in records_of(storage.get(one.key)) if r["timestamp"] < start]
        name = Path(one.key).name.removesuffix(".gz")
        (spool / name).write_bytes(framed(records))
    with Served(packages, spool, {"SHOPFUSION_S3_ENDPOINT": ""}) as shop:
        visits = read_visits(tables, moment(FIRST), LAST, replay.shoppers, replay.seed)
        return replayed(shop, visits, replay).set_index("key")


def timed(name: str, work: Callable[[], Result]) -> Result:
    """Do it and say how long it took."""
    started = time.monotonic()
    done = work()
    say(f"== {name}: {time.monotonic() - started:.0f} s")
    return done


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
