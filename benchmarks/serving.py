"""Load the real server process by wrk and print p50, p99 and requests a second.

    python -m benchmarks.serving FOLDER                     packages of this run into FOLDER
    python -m benchmarks.serving FOLDER 100000              ... of a simulated catalogue
    python -m benchmarks.serving FOLDER measure [SECONDS]   serve FOLDER and measure it
    python -m benchmarks.serving FOLDER table [SECONDS]     all of it: this run, 100,000, 1,000,000

Needs wrk (apt-get install wrk), data/prepared and models/ of a finished run. A cold request is a
shopper's first of a day, asked before the server had a pause to make the row ready, or a query
never asked before; a ready one is the first of a day after that pause; a warm one finds what
earlier requests left.
"""

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.served_packages import package, simulate

CONNECTIONS = (1, 8, 64)
SIMULATED = (100_000, 1_000_000)  # items
CAMPAIGNS = 40
WARM = 300  # shoppers, or queries, that a warm cell asks for again and again

SCRIPT = """
local bodies, at = {}, 0
for line in io.lines(os.getenv("BODIES")) do bodies[#bodies + 1] = line end
request = function()
  at = at % #bodies + 1
  return wrk.format("POST", os.getenv("WHERE"), {["Content-Type"] = "application/json"}, bodies[at])
end
done = function(summary, latency)
  local bad = summary.errors.status + summary.errors.connect + summary.errors.timeout
  print(string.format("RESULT %f %f %d %f", latency:percentile(50) / 1000,
    latency:percentile(99) / 1000, bad, summary.requests / summary.duration * 1e6))
end
"""


class Running:
    """The server of some packages, as a process of its own; `more` is added to its variables."""

    def __init__(self, folder: Path, more: dict[str, str] | None = None) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.spool = tempfile.TemporaryDirectory()
        values = {
            "SERVING_PACKAGE": str(folder), "SERVING_PORT": str(port), "SERVING_CLOCK": "data",
            "SPOOL": self.spool.name, "SPOOL_MEGABYTES": "20000", "ADMIN_KEY": "bench",
        }  # fmt: skip
        values |= more or {}
        environment = os.environ | {f"SHOPFUSION_{name}": value for name, value in values.items()}
        started = time.perf_counter()
        self.process = subprocess.Popen([sys.executable, "-m", "components.server"],
                                        env=environment)  # fmt: skip
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/ready").close()
                break
            except OSError:
                if self.process.poll() is not None:
                    raise
                time.sleep(0.1)
        self.seconds = time.perf_counter() - started

    def memory(self) -> float:
        """Return resident megabytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024

    def wait_until_ready(self) -> None:
        """Return once no shopper's row is due."""
        while True:
            metrics = urllib.request.urlopen(f"{self.url}/metrics").read().decode()
            if re.search(r"^shopfusion_shoppers_due 0\.0$", metrics, re.MULTILINE):
                return
            time.sleep(0.5)

    def set_clock(self, moment: datetime) -> None:
        """Move the shop's time: on another day no shopper's state is the same."""
        self._tell("POST", "clock", {"now": moment.isoformat()})

    def advertise(self, item_ids: list[str]) -> None:
        """Let CAMPAIGNS campaigns of as many items each run, with budgets that last."""
        parts = [item_ids[k::CAMPAIGNS][:CAMPAIGNS] for k in range(CAMPAIGNS)]
        made = [
            {"campaign_id": f"simulated-{k}", "item_ids": part, "bid": 0.1 + k / 50,
             "daily_budget": 1e6}
            for k, part in enumerate(parts)
        ]  # fmt: skip
        self._tell("PUT", "campaigns", {"campaigns": made})

    def _tell(self, method: str, what: str, body: dict[str, object]) -> None:
        headers = {"Authorization": "Bearer bench", "Content-Type": "application/json"}
        told = json.dumps(body).encode()
        address = f"{self.url}/admin/{what}"
        urllib.request.urlopen(
            urllib.request.Request(address, told, headers, method=method)
        ).close()

    def stop(self) -> None:
        """End the process."""
        self.process.terminate()
        self.process.wait()
        self.spool.cleanup()


def load(url: str, where: str, bodies: list[str], connections: int, seconds: float) -> list[float]:
    """Return p50 ms, p99 ms, failed requests, requests a second."""
    with tempfile.TemporaryDirectory() as folder:
        script, lines = Path(folder) / "load.lua", Path(folder) / "bodies"
        script.write_text(SCRIPT)
        lines.write_text("\n".join(bodies))
        finished = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "-s", str(script), url],
            env=os.environ | {"BODIES": str(lines), "WHERE": where},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    result = re.findall(r"RESULT (.*)", finished.stdout)[0].split()
    return [float(value) for value in result]


def measure(folder: Path, seconds: float) -> None:
    """Print the table of one catalogue."""
    shop = folder / "fused/shop"
    day = datetime.fromisoformat(json.loads((shop / "shop.json").read_text())["as_of"])
    users = pq.read_table(folder / "fused/ids/users.parquet")["user_id"].to_pylist()
    catalogue = pq.read_table(shop / "items.parquet", columns=["item_id", "title"])
    items = catalogue["title"].to_pylist()
    rng = np.random.default_rng(1)
    words = sorted({word for title in items[:20_000] if title for word in title.split()})
    fresh = [" ".join(row) for row in rng.choice(words, (200_000, 2))]
    common = [title for title in items if title][:WARM]
    known = np.load(folder / "fused/state/shoppers/users.npy")
    users = [users[row] for row in rng.permutation(known)]
    server = Running(folder)
    print(f"{len(items):,} items; ready after {server.seconds:.0f} s, {server.memory():.0f} MB")
    print("| request | cache | connections | p50 ms | p99 ms | requests/s | failed |")
    print("|---|---|---|---|---|---|---|")
    try:
        server.advertise(catalogue["item_id"].to_pylist())
        asked_of = product(("/recommend", "/search", "/ads"), ("cold", "ready", "warm"))
        for where, cache in asked_of:
            for connections in CONNECTIONS:
                if where != "/search":
                    some = users[:WARM] if cache == "warm" else users
                    more = {"k": 10} if where == "/recommend" else {"slots": 2}
                    bodies = [json.dumps({"user_id": user, **more}) for user in some]
                else:
                    asked = common
                    if cache != "warm":
                        asked, fresh = fresh[:20_000], fresh[20_000:]
                    bodies = [
                        json.dumps({"query": query, "user_id": user})
                        for query, user in zip(asked, np.resize(users, len(asked)), strict=True)
                    ]
                if cache != "warm":
                    day += timedelta(days=1)
                    server.set_clock(day)
                    if cache == "ready":
                        time.sleep(1)  # until the thread has seen the new day
                        server.wait_until_ready()
                else:
                    load(server.url, where, bodies, 8, seconds)
                p50, p99, failed, rate = load(server.url, where, bodies, connections, seconds)
                print(f"| {where} | {cache} | {connections} | {p50:.1f} | {p99:.1f} | {rate:.0f} "
                      f"| {failed:.0f} |", flush=True)  # fmt: skip
        print(f"{server.memory():.0f} MB after all")
    finally:
        server.stop()


def table(folder: Path, seconds: float) -> None:
    """Print the tables of this run and of both simulated catalogues, made where they are absent."""
    for name in ("run", *(str(items) for items in SIMULATED)):
        made = folder / name
        if not (made / "fused/ids/users.parquet").is_file():
            package(made) if name == "run" else simulate(made, int(name))
        measure(made, seconds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of the packages")
    parser.add_argument("work", nargs="?", help="measure, table, or how many items to simulate")
    parser.add_argument("seconds", type=float, nargs="?", default=10.0, help="of a cell")
    asked = parser.parse_args()
    if asked.work == "measure":
        measure(asked.folder, asked.seconds)
    elif asked.work == "table":
        table(asked.folder, asked.seconds)
    elif asked.work:
        simulate(asked.folder, int(asked.work))
    else:
        package(asked.folder)
