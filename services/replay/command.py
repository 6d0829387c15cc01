"""`make replay`: finds the data and the server, repeats the visits, says what came of it."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from datetime import time as time_of_day
from pathlib import Path

import pyarrow.compute as pc
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from components.applications import read_shared_params
from components.platform.errors import DataError
from components.platform.files import read_table
from components.platform.params import PARAMS
from components.platform.progress import SECONDS_BETWEEN_LINES, say
from services.credentials import credentials
from services.replay.campaigns import simulated_campaigns
from services.replay.outcome import Outcome, as_table
from services.replay.run import Replay
from services.replay.settings import ReplaySettings
from services.replay.shop import Shop
from services.replay.shoppers import RealBaskets, Shopper, SimulatedShoppers
from services.replay.visits import Rating, Visit, is_simulated, read_ratings, read_visits
from services.settings import ROOT, ServiceSettings

SIMULATED = "Simulated shoppers: no real person is behind these clicks."


def replay(services: ServiceSettings, settings: ReplaySettings) -> Path:
    """Replay against the running server; return the file of what each visit saw and bought.

    Raises:
        ServiceError: the server is away for too long, or has no champion.
        DataError: there are no tables, or no visits in the window.

    """
    tables = settings.tables or furthest_tables(services.runs)
    keys, _ = credentials(services.home)
    simulated = is_simulated(tables)
    shopper: Shopper = (
        SimulatedShoppers.of(tables.parent / "raw", settings.seed) if simulated else RealBaskets()
    )
    with Shop(services.serving_url, keys.event_key, keys.admin_key, settings.patience) as shop:
        visits, ratings = _past(tables, settings, shop.now(), simulated)
        rated = f", {len(ratings)} ratings" if ratings else ""
        first, last = visits[0].moment, visits[-1].moment
        say(f"{len(visits)} visits{rated}, {first:%Y-%m-%d %H:%M} to {last:%F}")
        if simulated:
            say(SIMULATED)
        if settings.ad_slots and not shop.has_campaigns():
            shop.offer(simulated_campaigns(tables, settings.seed))
            say("Nobody advertised: campaigns with simulated bids run now.")
        work = Replay(shop, shopper, settings, ratings, read_shared_params(ROOT / PARAMS).feedback)
        path = services.home / "replays" / f"{datetime.now(UTC):%Y%m%dT%H%M%S}.parquet"
        began = time.monotonic()
        try:
            with _progress(len(visits)) as bar:
                work.run(visits, bar)
        finally:
            work.outcome.save(path)
            _say_outcome(work.outcome, simulated, time.monotonic() - began, shop.retries)
    say(f"Every visit is in {path}")
    return path


def furthest_tables(runs: Path) -> Path:
    """Return the tables of the run whose orders reach furthest, the newest of several.

    A retrained model's tables may end earlier: they hold what was known on its day.

    Raises:
        DataError: no run has left tables.

    """
    folders = [path.parent for path in runs.glob("*/data/tables/orders.parquet")]
    folders += [ROOT / "data" / "tables"] * (ROOT / "data" / "tables" / "orders.parquet").is_file()
    if not folders:
        raise DataError(
            f"tables of a run in {runs}",
            "none",
            "train once: make demo, or the DAG of a training",
        )

    def reach(tables: Path) -> tuple[datetime, float]:
        orders = tables / "orders.parquet"
        return pc.max(
            read_table(orders, ["timestamp"])["timestamp"]
        ).as_py(), orders.stat().st_mtime

    return max(folders, key=reach)


def _past(
    tables: Path, settings: ReplaySettings, present: datetime, simulated: bool
) -> tuple[list[Visit], list[Rating]]:
    day = settings.from_day
    since = datetime.combine(day, time_of_day(), UTC) if day else present
    if since < present:
        say(
            f"The shop's time is {present:%Y-%m-%d %H:%M} already and never goes back: purchases "
            "before it are sent again under the same ids, without asking for rows."
        )
    chosen = (since, settings.to_day, settings.shoppers, settings.seed, simulated)
    return read_visits(tables, *chosen), read_ratings(tables, *chosen)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int, datetime], None]]:
    """Yield what is told of progress: a bar on a terminal, a line now and then otherwise."""
    if sys.stderr.isatty():
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as shown:
            task = shown.add_task("replay", total=total)
            yield lambda done, moment: shown.update(
                task, completed=done, description=f"{moment:%a %Y-%m-%d}"
            )
        return
    last = time.monotonic()

    def line(done: int, moment: datetime) -> None:
        nonlocal last
        if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            say(f"replay: {done}/{total}, {moment:%a %Y-%m-%d %H:%M}")

    yield line


def _say_outcome(outcome: Outcome, simulated: bool, seconds: float, retries: int) -> None:
    for surface, shown in outcome.shown.items():
        clicked = outcome.clicked[surface]
        say(f"{surface}: {shown} shown, {clicked} clicked, CTR {clicked / max(shown, 1):.4f}")
    say(
        f"{outcome.accepted} events accepted, {outcome.duplicates} known already, "
        f"{retries} requests repeated, {seconds:.1f} s"
    )
    if outcome.rows:
        title = (
            "Home rows against simulated baskets" if simulated else "Home rows against real baskets"
        )
        Console().print(as_table(outcome.table(), f"{title} (95% intervals over shoppers)"))
