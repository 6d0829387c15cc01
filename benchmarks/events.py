"""Intake of events: durable acknowledgements a second of a real server process over loopback.

    python -m benchmarks.events [--seconds 4]

The server takes events and nothing else, ships to no S3, and shares the machine's cores with this
load generator, as every number here does.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import httpx
import numpy as np

ROOT = Path(__file__).parents[1]
KEY = "benchmark"
BATCHES = (1, 10, 100)
CONNECTIONS = (1, 8, 64)


@dataclass
class Load:
    """What one setting did: events acknowledged in how long, and how long each request took."""

    events: int
    seconds: float
    milliseconds: list[float]


def batch(number: int, size: int) -> bytes:
    """Return a whole HTTP request with `size` events; no other number has their ids."""
    now = datetime.now(UTC).isoformat()
    events = [
        {
            "event_id": f"bench-{number}-{i}",
            "action_name": "click",
            "query_id": f"impression-{number}-{i}",
            "user_id": f"{(100 * number + i) % 2000:032x}",
            "session_id": f"session-{number % 5000}",
            "timestamp": now,
            "event_attributes": {"object": {"object_id": str(i)}, "position": {"ordinal": 1}},
        }
        for i in range(size)
    ]
    body = json.dumps({"events": events}).encode()
    head = (
        f"POST /events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def send(port: int, size: int, ids: "count[int]", until: float, load: Load) -> None:
    """Send batches over one connection until the time is over."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < until:
        request = batch(next(ids), size)
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
    port: int, size: int, connections: int, seconds: float, ids: "count[int]"
) -> Load:
    """Return what `connections` senders of batches of `size` reach together."""
    load = Load(0, 0.0, [])
    started = time.perf_counter()
    senders = (send(port, size, ids, started + seconds, load) for _ in range(connections))
    await asyncio.gather(*senders)
    load.seconds = time.perf_counter() - started
    return load


def wait_until_up(port: int) -> None:
    """Return as soon as the server answers."""
    for _ in range(300):
        with suppress(httpx.HTTPError):
            httpx.get(f"http://127.0.0.1:{port}/openapi.json").raise_for_status()
            return
        time.sleep(0.1)
    raise SystemExit("the server did not start")


def main() -> None:
    """Start a server, measure every setting, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--port", type=int, default=18_931)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as spool:
        variables = os.environ | {
            "SHOPFUSION_EVENT_KEY": KEY,
            "SHOPFUSION_SPOOL": spool,
            "SHOPFUSION_SPOOL_MEGABYTES": "4096",
        }
        command = [sys.executable, "-m", "tests.serving.intake", str(asked.port)]
        server = subprocess.Popen(command, cwd=ROOT, env=variables)
        try:
            wait_until_up(asked.port)
            ids = count()
            asyncio.run(measure(asked.port, 100, 8, 1.0, ids))  # warm up
            print("| batch | connections | events/s | requests/s | p50 ms | p99 ms |")
            print("|---|---|---|---|---|---|")
            for size in BATCHES:
                for connections in CONNECTIONS:
                    load = asyncio.run(measure(asked.port, size, connections, asked.seconds, ids))
                    p50, p99 = np.percentile(load.milliseconds, [50, 99])
                    rate = load.events / load.seconds
                    print(
                        f"| {size} | {connections} | {rate:,.0f} | {rate / size:,.0f} "
                        f"| {p50:.1f} | {p99:.1f} |"
                    )
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
