"""Intake of events: durable acknowledgements a second of the whole server over loopback.

    python -m benchmarks.serving FOLDER             packages of this run into FOLDER, or
    python -m benchmarks.serving FOLDER 100000      ... of a simulated catalogue
    python -m benchmarks.events FOLDER [--seconds 4]

The server answers by that champion, follows what its shoppers do, runs campaigns and sends its
segments to a real SeaweedFS. Both share the machine's cores with this load generator.
"""

import argparse
import asyncio
import json
import os
import re
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import numpy as np

from benchmarks.serving import Running
from components.platform.files import read_table
from tests.store import Store

KEY = "benchmark"
KINDS = ("view", "click", "view", "add_to_cart", "view", "purchase")
BATCHES = (1, 10, 100)
CONNECTIONS = (1, 8, 64)


@dataclass
class Load:
    """What one setting did: events acknowledged in how long, and how long each request took."""

    events: int
    seconds: float
    milliseconds: list[float]


@dataclass(frozen=True)
class Shop:
    """Whose events are sent, and about what."""

    users: list[str]
    items: list[str]


def batch(shop: Shop, number: int, size: int) -> bytes:
    """Return a whole HTTP request with `size` events; no other number has their ids."""
    now = datetime.now(UTC).isoformat()
    events = [
        {
            "event_id": f"bench-{number}-{i}",
            "action_name": KINDS[(number + i) % len(KINDS)],
            "query_id": f"impression-{number}-{i}",
            "user_id": shop.users[(100 * number + i) % len(shop.users)],
            "session_id": f"session-{number % 5000}",
            "timestamp": now,
            "event_attributes": {
                "object": {"object_id": shop.items[(number + 7 * i) % len(shop.items)]},
                "position": {"ordinal": 1},
            },
        }
        for i in range(size)
    ]
    body = json.dumps({"events": events}).encode()
    head = (
        f"POST /events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def send(
    shop: Shop, port: int, size: int, ids: "count[int]", until: float, load: Load
) -> None:
    """Send batches over one connection until the time is over."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < until:
        request = batch(shop, next(ids), size)
        started = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        answer = json.loads(await reader.readexactly(length))
        load.milliseconds.append(1000 * (time.perf_counter() - started))
        assert answer["accepted"] == size, answer
        load.events += size
    writer.close()


async def measure(
    shop: Shop, port: int, size: int, connections: int, seconds: float, ids: "count[int]"
) -> Load:
    """Return what `connections` senders of batches of `size` reach together."""
    load = Load(0, 0.0, [])
    started = time.perf_counter()
    senders = (send(shop, port, size, ids, started + seconds, load) for _ in range(connections))
    await asyncio.gather(*senders)
    load.seconds = time.perf_counter() - started
    return load


def table(shop: Shop, server: Running, seconds: float) -> None:
    """Measure every setting, print the table."""
    port, ids = int(server.url.rpartition(":")[2]), count()
    asyncio.run(measure(shop, port, 100, 8, 1.0, ids))  # warm up
    print("| batch | connections | events/s | requests/s | p50 ms | p99 ms |")
    print("|---|---|---|---|---|---|")
    for size in BATCHES:
        for connections in CONNECTIONS:
            load = asyncio.run(measure(shop, port, size, connections, seconds, ids))
            p50, p99 = np.percentile(load.milliseconds, [50, 99])
            rate = load.events / load.seconds
            print(
                f"| {size} | {connections} | {rate:,.0f} | {rate / size:,.0f} "
                f"| {p50:.1f} | {p99:.1f} |",
                flush=True,
            )
    metrics = urllib.request.urlopen(f"{server.url}/metrics").read().decode()
    (shipped,) = re.findall(r"^shopfusion_segments_shipped_total (\S+)", metrics, re.MULTILINE)
    (waiting,) = re.findall(r"^shopfusion_spool_bytes (\S+)", metrics, re.MULTILINE)
    print(
        f"{float(shipped):.0f} segments were in S3 by then, {float(waiting) / 1e6:.0f} MB waited; "
        f"{server.memory():.0f} MB resident"
    )


def main() -> None:
    """Start a store and a server, measure, stop both."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="packages that benchmarks.serving made")
    parser.add_argument("--seconds", type=float, default=4.0)
    asked = parser.parse_args()
    ranker = asked.folder / "fused"
    shop = Shop(
        users=read_table(ranker / "ids" / "users.parquet")["user_id"].to_pylist(),
        items=read_table(ranker / "shop" / "items.parquet", ["item_id"])["item_id"].to_pylist(),
    )
    with tempfile.TemporaryDirectory() as home:
        store = Store(Path(home))
        store.start()
        os.environ |= store.environment  # the server's too
        try:
            server = Running(asked.folder, {"EVENT_KEY": KEY, "SERVING_CLOCK": "real"})
            try:
                server.advertise(shop.items)
                table(shop, server, asked.seconds)
            finally:
                server.stop()
        finally:
            store.kill()


if __name__ == "__main__":
    main()
