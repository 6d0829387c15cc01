"""The real server on the tiny world, as a process of its own that can be killed and come back."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pyarrow as pa
import pytest

from components.platform.files import read_table, write_table
from components.shop_ranking.fusion_training import component
from components.shop_ranking.model_registration.packages import ranker_package
from tests.ports import free_port
from tests.registries import new_registry
from tests.running import ROOT
from tests.waiting import wait_until
from tests.world import TinyWorld, tiny_params

EVENT_KEY, ADMIN_KEY = "key-of-events", "key-of-admins"
SCRIPT = "<script>document.title='broken'</script> & \"tea\""  # a title that must stay a text
METHOD = "stacking"
SECONDS_TO_START = 300


def write_packages(world: TinyWorld, standins: dict[str, Path], folder: Path) -> Path:
    """Train a fusion of the stand-in towers and package it; one item's title is SCRIPT."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOPFUSION_MLFLOW_URI", new_registry(folder))
        fused = folder / "fused"
        few = tiny_params(fusion={"stacking": {"trees": [40]}})
        # The other methods take their time.
        component.run(few, prepared=world.prepared, fused=fused, methods=[METHOD], **standins)
    package = ranker_package(fused, world.prepared, folder).folder
    items = read_table(package / "shop" / "items.parquet")
    titles = items["title"].to_pylist()
    titles[scripted(world)] = SCRIPT
    column = items.column_names.index("title")
    changed = items.set_column(column, "title", pa.array(titles, pa.string()))
    write_table(changed, package / "shop" / "items.parquet")
    return package.parent


def scripted(world: TinyWorld) -> int:
    """Return the row of the item whose title is SCRIPT: the first with a picture."""
    return int(read_table(world.prepared / "images.parquet")["item_index"][0].as_py())


def wait_until_shipped(spool: Path) -> None:
    """Return once nothing is left in a spool: all of it lies in S3."""
    wait_until(lambda: spooled(spool) == 0, "every event shipped", seconds=120)


def spooled(spool: Path) -> int:
    """Return the bytes in a spool; it also changes when a segment has gone to S3."""
    while True:
        with suppress(FileNotFoundError):  # shipped at this moment
            return sum(path.stat().st_size for path in spool.glob("*.jsonl"))


@dataclass
class ServedShop:
    """One server on a spool of its own; `more` is added to its environment."""

    packages: Path | None
    folder: Path
    more: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def spool(self) -> Path:
        """Folder of its events."""
        return self.folder / "spool"

    def start(self) -> None:
        """Start it and wait until it answers shoppers, or is up at least without packages."""
        self.folder.mkdir(parents=True, exist_ok=True)
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("SHOPFUSION_", "AWS_"))}
        mine = {
            "SHOPFUSION_SERVING_PORT": str(self.port),
            "SHOPFUSION_SERVING_CLOCK": "data",
            "SHOPFUSION_EVENT_KEY": EVENT_KEY,
            "SHOPFUSION_ADMIN_KEY": ADMIN_KEY,
            "SHOPFUSION_SPOOL": str(self.spool),
            "SHOPFUSION_MLFLOW_URI": new_registry(self.folder),
            "OMP_NUM_THREADS": "1",
        }
        if self.packages:
            mine["SHOPFUSION_SERVING_PACKAGE"] = str(self.packages)
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "components.server"],
                cwd=ROOT,
                env=clean | mine | self.more,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.wait("/ready" if self.packages else "/health")

    def wait(self, path: str) -> None:
        """Return as soon as `path` answers 200."""
        wait_until(
            lambda: httpx.get(f"{self.url}{path}", timeout=5).is_success,
            lambda: f"the server answers {path}:\n{(self.folder / 'log').read_text()[-4000:]}",
            SECONDS_TO_START,
            unless=lambda: self.process is not None and self.process.poll() is not None,
            passing=httpx.HTTPError,
        )

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=10)

    def stop(self) -> None:
        """End it in order."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=30)
