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

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from benchmarks.loop_gain import FIRST, LAST, SHARE, Served, moment, replayed, report
from components.platform import storage, tracking
from components.platform.application import WARM_START
from components.platform.feedback import ingestion as feedback_ingestion
from components.platform.feedback.partitions import publish_items
from components.platform.files import read_table, write_json
from components.platform.progress import say
from components.platform.promotion import promote
from components.platform.registry.fetching import fetch
from components.platform.registry.policy import POLICY, Policy, load_policy
from components.platform.retraining import (
    champion_of,
    decide,
    read_fed_back,
    window_end,
)
from components.platform.serving.segments import PREFIX, framed, records_of
from components.platform.settings import settings
from components.platform.tracking import Version
from components.shop_ranking.application import PREPARED, SHOP_RANKING, TABLES
from components.shop_ranking.model_registration.shop import last_cut
from components.shop_ranking.params import load_params
from components.shop_ranking.retraining import refresh
from orchestration.runs import ORIGIN
from orchestration.workspace import create
from services.replay.settings import ReplaySettings
from services.replay.visits import read_visits
from services.settings import ROOT
from tests.store import Store

FEEDBACK = "s3:feedback/"
FROZEN = "frozen"
# Name of a challenger -> what its DAG adds to the conf, given the champion.
CHALLENGERS: dict[str, Callable[[Version], dict[str, Any]]] = {
    "retrained": lambda champion: {WARM_START: True},
    "refreshed": refresh,
}


def main(run: Path, home: Path) -> None:
    """Go round the loop once and print what it took and what it gained."""
    replay = ReplaySettings(ad_slots=0)
    compared = replay.model_copy(update={"shoppers": SHARE})
    with platform(home):
        policy = load_policy(SHOP_RANKING, ROOT / POLICY)
        workspace = home / "runs" / FROZEN
        tables = workspace / TABLES
        frozen = once(
            home / "packages" / FROZEN, lambda at: register_frozen(run, workspace, policy, at)
        )
        once(home / "spool", lambda at: send_feedback(tables, frozen, replay, at))
        once(home / "ingested.json", lambda at: ingest(tables, at))
        before = once(home / "sides" / FROZEN, lambda at: side(tables, frozen, compared, at))
        for name, more in CHALLENGERS.items():
            made = once(home / "packages" / name, partial(train, name, more, policy))
            after = once(home / "sides" / name, partial(side, tables, made, compared))
            report(name, pd.read_parquet(before), pd.read_parquet(after))


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


def once(target: Path, work: Callable[[Path], object]) -> Path:
    """Let `work` make a file or folder unless it is there; return it, whole, and say how long."""
    if not target.exists():
        started = time.monotonic()
        unfinished = target.with_name(f"{target.name}.unfinished")
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(unfinished, ignore_errors=True)
        work(unfinished)
        unfinished.rename(target)
        say(f"== {target.parent.name}/{target.name}: {time.monotonic() - started:.0f} s")
    return target


def register_frozen(run: Path, workspace: Path, policy: Policy, target: Path) -> None:
    """Make the run's model the champion of this registry; write its packages."""
    if not workspace.exists():
        shutil.copytree(run, workspace)
        keep_overrides(workspace)
    stage(workspace, [sys.executable, "-m", "components", "model_registration"])
    challenger = tracking.version_at(policy.leading, policy.aliases.challenger)
    assert challenger is not None  # it was registered just now
    before = tracking.version_at(policy.leading, policy.aliases.champion)
    promote(policy, challenger.version, before.version if before else None)
    write_packages(policy, target)


def keep_overrides(workspace: Path) -> None:
    """Log what the run was told beyond params.yaml, as its DAG did: retraining is told it too."""
    told = json.loads((workspace / ORIGIN).read_text())["overrides"]
    with tracking.stage_run("pipeline", load_params(workspace / "params.yaml")):
        tracking.set_tags({"pipeline_run": workspace.name, "overrides": yaml.safe_dump(told)})


def send_feedback(tables: Path, packages: Path, replay: ReplaySettings, spool: Path) -> None:
    """Replay until a day after the challengers' window ends: that a day is over, the next shows."""
    with Served(packages, spool) as shop:
        until = FIRST + timedelta(days=1)
        visits = read_visits(tables, shop.now(), until, replay.shoppers, replay.seed)
        replayed(shop, visits, replay)


def ingest(tables: Path, account: Path) -> None:
    """Bring every partition up to date, as the DAG feedback_ingestion does."""
    publish_items(SHOP_RANKING.name, read_table(tables / "products.parquet", ["item_id"]))
    days = feedback_ingestion.run(load_params(ROOT / "params.yaml"))
    write_json({str(day): counts for day, counts in days.items()}, account)


def train(
    name: str, more: Callable[[Version], dict[str, Any]], policy: Policy, target: Path
) -> None:
    """Run the pipeline with the conf that the DAG would trigger; write the packages."""
    champion, overrides = champion_of(policy)
    fed_back = read_fed_back(FEEDBACK, window_end(SHOP_RANKING, champion))
    decision = decide(
        SHOP_RANKING,
        champion,
        overrides,
        fed_back,
        source=FEEDBACK,
        floor=0,
        asked_for="the benchmark",
    )
    assert champion is not None  # the frozen model
    assert decision.conf is not None  # somebody asked for it
    workspace = create(SHOP_RANKING, ROOT, name, decision.conf | more(champion))
    stage(workspace, ["dvc", "repro"])
    trained_until = date.fromisoformat(last_cut(workspace / PREPARED)["day"])
    if trained_until > FIRST:
        raise SystemExit(f"{name} was trained until {trained_until}, after {FIRST}")
    write_packages(policy, target)


def stage(workspace: Path, command: list[str]) -> None:
    """Run a command of the pipeline in a workspace."""
    environment = os.environ | {"SHOPFUSION_RUN_ID": workspace.name}
    subprocess.run(command, cwd=workspace, env=environment, check=True)


def write_packages(policy: Policy, target: Path) -> None:
    """Fetch the newest version, as a server does that follows an alias."""
    version = tracking.version_at(policy.leading, policy.aliases.challenger)
    assert version is not None  # registered by the run before
    with tempfile.TemporaryDirectory() as folder:
        packages = fetch(SHOP_RANKING, version, Path(folder))
        for key, source in packages.folders.items():
            shutil.copytree(source, target / key)
    say(f"{target.stem} is {packages.version}, dvc.lock {version.tags['dvc_lock']}")


def side(tables: Path, packages: Path, replay: ReplaySettings, target: Path) -> None:
    """Write a row a visit of weeks 49 to 52, by key, after all that happened in November."""
    start = moment(FIRST).isoformat()
    with tempfile.TemporaryDirectory() as folder:
        spool = Path(folder)
        for segment in storage.stored(PREFIX):
            known = [r for r in records_of(storage.get(segment.key)) if r["timestamp"] < start]
            (spool / Path(segment.key).name.removesuffix(".gz")).write_bytes(framed(known))
        with Served(packages, spool, ships=False) as shop:
            visits = read_visits(tables, moment(FIRST), LAST, replay.shoppers, replay.seed)
            replayed(shop, visits, replay).set_index("key").to_parquet(target)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="workspace of a finished run")
    parser.add_argument("folder", type=Path, help="takes the registry, the store, the workspaces")
    asked = parser.parse_args()
    main(asked.run.resolve(), asked.folder.resolve())
