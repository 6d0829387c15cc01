"""What stands behind a larger shop: a real PostgreSQL and a real Redis, each on a free port."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import redis

from services.settings import HOST
from tests.ports import free_port
from tests.waiting import wait_until

FAST_SHUTDOWN = signal.SIGINT  # PostgreSQL's: sessions are ended, files are whole


def postgres_binaries() -> Path | None:
    """Return the folder of PostgreSQL's programs, the newest; None where there is none."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    program = str(debian[-1]) if debian else shutil.which("postgres")
    return Path(program).parent if program else None


@contextmanager
def postgres(binaries: Path, databases: Sequence[str]) -> Iterator[str]:
    """Run a server with these databases; yield its address, with user and password."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    data, password, port = folder / "data", secrets.token_hex(8), free_port()
    (folder / "password").write_text(password)
    as_user = []
    if os.geteuid() == 0:  # which PostgreSQL refuses to run as
        for path in (folder, folder / "password"):
            shutil.chown(path, "postgres", "postgres")
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
    made = [binaries / "initdb", f"--pgdata={data}", "--username=shopfusion", "--no-sync"]
    made += ["--auth=scram-sha-256", f"--pwfile={folder / 'password'}", "--encoding=UTF8"]
    subprocess.run([*as_user, *made], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    command = [binaries / "postgres", "-D", data, "-h", HOST, "-p", str(port), "-k", folder]
    server = subprocess.Popen(
        [*as_user, *command, "-c", "fsync=off"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"postgresql+psycopg2://shopfusion:{password}@{HOST}:{port}"
    try:
        wait_until(
            lambda: ask(address, "postgres", "SELECT 1"),
            "PostgreSQL answers",
            passing=psycopg2.OperationalError,
        )
        for name in databases:
            ask(address, "postgres", f"CREATE DATABASE {name}")
        yield address
    finally:
        server.send_signal(FAST_SHUTDOWN)
        server.wait(timeout=60)
        shutil.rmtree(folder)


def ask(address: str, database: str, sql: str) -> list[tuple[Any, ...]]:
    """Return the rows of one statement, by a connection of its own."""
    connection = psycopg2.connect(f"{address.replace('+psycopg2', '')}/{database}")
    connection.autocommit = True  # CREATE DATABASE runs in no transaction
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


@contextmanager
def redis_server(program: str) -> Iterator[str]:
    """Run a Redis that keeps nothing on disk; yield its address, with password."""
    password, port = secrets.token_hex(8), free_port()
    address = f"redis://:{password}@{HOST}:{port}/0"
    command = [program, "--port", str(port), "--bind", HOST, "--requirepass", password]
    server = subprocess.Popen(
        [*command, "--save", "", "--appendonly", "no"], stdout=subprocess.DEVNULL
    )
    try:
        wait_until(
            redis.Redis.from_url(address).ping, "Redis answers", passing=redis.ConnectionError
        )
        yield address
    finally:
        server.terminate()
        server.wait(timeout=30)
