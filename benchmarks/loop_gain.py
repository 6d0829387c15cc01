"""What retraining gains: the last weeks of the replay, retrained against the frozen model, paired.

    python -m benchmarks.serving FOLDER        in a run's workspace: packages of it into FOLDER
    python -m benchmarks.loop_gain TABLES FROZEN 2017-11-27=RETRAINED [2017-12-11=AGAIN ...]

Both sides replay the same visits from the cut on, one server process each, on a spool of its own;
the second side's server is started again with the next packages on their days. A retrained
package must hold nothing from its own day on. Compared are the visits of weeks 49 to 52 of
Complete Journey: NDCG@10 of the home row against the basket, and clicks of what was shown.
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import httpx
import numpy as np
import pandas as pd

from components.platform.progress import track
from services.replay.outcome import AT, estimate
from services.replay.run import Replay
from services.replay.settings import ReplaySettings
from services.replay.shop import Shop
from services.replay.shoppers import RealBaskets
from services.replay.visits import Visit, read_visits

FIRST, LAST = date(2017, 11, 27), date(2017, 12, 25)  # Mondays: weeks 49 to 52
KEY = "key-of-this-benchmark"
SECONDS_TO_START = 180
SHARE = float(os.environ.get("SHARE", "1"))  # of the shoppers


def main(tables: Path, frozen: Path, retrained: dict[date, Path]) -> None:
    """Replay both sides and print the paired differences."""
    settings = ReplaySettings(ad_slots=0, shoppers=SHARE)
    frozen_side = side(tables, {date.min: frozen}, settings)
    report("retrained", frozen_side, side(tables, {date.min: frozen} | retrained, settings))


def report(name: str, frozen: pd.DataFrame, other: pd.DataFrame) -> None:
    """Print what the rows of another side gain on the frozen ones, paired by visit."""
    both = frozen.join(other, rsuffix="_other", how="inner")
    both = both[(both["timestamp"] >= moment(FIRST)) & (both["timestamp"] < moment(LAST))]
    user = np.unique(both["user_id"], return_inverse=True)[1]
    visits, shown = np.ones(len(both)), both["shown"].to_numpy(float)
    print(f"\n{len(both)} visits of {user.max() + 1} shoppers, {FIRST} to {LAST}, paired")
    print(f"{'':12}{'frozen':>24}{name:>24}{'difference':>28}")
    for metric, column, below in (
        (f"NDCG@{AT}", "ndcg", visits),
        ("click share", "clicked", shown),
    ):
        before = both[column].to_numpy(float)
        after = both[f"{column}_other"].to_numpy(float)
        levels = [estimate(values, below, user) for values in (before, after)]
        gain = estimate(after - before, below, user)
        print(f"{metric:12}" + "".join(f"{level!s:>24}" for level in levels), end="")
        print(f"    {gain.value:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})")


def side(tables: Path, packages: dict[date, Path], settings: ReplaySettings) -> pd.DataFrame:
    """Return a row a visit, by key, of a replay answered by each package from its day on."""
    days, rows = sorted(packages), []
    with tempfile.TemporaryDirectory() as spool:
        for day, following in zip(days, [*days[1:], LAST], strict=True):
            with Served(packages[day], Path(spool)) as shop:
                since = shop.now() if day == date.min else moment(day)
                visits = read_visits(tables, since, following, settings.shoppers, settings.seed)
                rows.append(replayed(shop, visits, settings))
    return pd.concat(rows).set_index("key")


def replayed(shop: Shop, visits: Sequence[Visit], settings: ReplaySettings) -> pd.DataFrame:
    """Repeat the visits; return the rows of replay.outcome.VISITS."""
    work = Replay(shop, RealBaskets(), settings)
    steps = track(visits, f"{visits[0].moment:%F} to {visits[-1].moment:%F}")
    next(steps)
    work.run(visits, lambda done, at: next(steps, None))
    return work.outcome.table().to_pandas()


class Served:
    """A server of one package, by the data's clock; a spool carries over to the next."""

    def __init__(self, packages: Path, spool: Path, ships: bool = True) -> None:
        """`ships`: events go to the S3 store of the environment, if there is one."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        s3 = {name for name in os.environ if name.startswith("SHOPFUSION_S3_") and not ships}
        self._environment = {k: v for k, v in os.environ.items() if k not in s3} | {
            "SHOPFUSION_SERVING_PACKAGE": str(packages),
            "SHOPFUSION_SERVING_PORT": str(self._port),
            "SHOPFUSION_SERVING_CLOCK": "data",
            "SHOPFUSION_EVENT_KEY": KEY,
            "SHOPFUSION_ADMIN_KEY": KEY,
            "SHOPFUSION_SPOOL": str(spool),
            "OMP_NUM_THREADS": "1",
        }

    def __enter__(self) -> Shop:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "components.server"], env=self._environment
        )
        url = f"http://127.0.0.1:{self._port}"
        deadline = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{url}/ready", timeout=5).is_success:
                    return Shop(url, KEY, KEY, patience=60)
            except httpx.HTTPError:
                pass
            time.sleep(0.5)
        raise SystemExit(f"no champion of {self._environment['SHOPFUSION_SERVING_PACKAGE']}")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=60)


def moment(day: date) -> datetime:
    """Return the first moment of a day, UTC."""
    return datetime.combine(day, datetime.min.time(), UTC)


def _retrained(text: str) -> tuple[date, Path]:
    """Read 2017-11-27=FOLDER."""
    day, _, folder = text.partition("=")
    return date.fromisoformat(day), Path(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", type=Path, help="of the replay")
    parser.add_argument("frozen", type=Path, help="packages of the frozen model")
    parser.add_argument(
        "retrained", type=_retrained, nargs="+", help="first day and packages: 2017-11-27=FOLDER"
    )
    asked = parser.parse_args()
    main(asked.tables, asked.frozen, dict(asked.retrained))
