"""The platform's services on free ports, started once for all tests that need them."""

import os
import random
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from services.credentials import Credentials, credentials
from services.settings import GRPC_OFFSET, HOST, ServiceSettings

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Platform:
    """Running services: their settings, and how to run a command against them."""

    settings: ServiceSettings
    environment: dict[str, str]

    @property
    def keys(self) -> Credentials:
        """Return the keys that were made at the first start."""
        return credentials(self.settings.home)[0]

    def run(self, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run `python -m services ARGUMENTS` as a person would."""
        return run_services(self.environment, *arguments, timeout=timeout)


def make_platform(home: Path) -> Platform:
    """Return a platform on free ports; nothing is started."""
    first = free_block()
    values = {
        "home": str(home),
        "s3_port": str(first),
        "airflow_port": str(first + 5),
        "mlflow_port": str(first + 6),
        "evidently_port": str(first + 7),
        "serving_port": str(first + 8),
    }
    chosen = {f"SHOPFUSION_{name.upper()}": value for name, value in values.items()}
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SHOPFUSION_", "AIRFLOW"))}
    return Platform(ServiceSettings.model_validate(values), clean | chosen)


def run_services(
    environment: dict[str, str], *arguments: str, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run `python -m services ARGUMENTS` in the checkout."""
    return subprocess.run(
        [sys.executable, "-m", "services", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def free_block() -> int:
    """Return the first of nine free ports whose gRPC twins are free too."""
    choose = random.SystemRandom()
    while True:
        first = choose.randrange(20_000, 32_000, 9)
        ports = [*range(first, first + 9), *range(first + GRPC_OFFSET, first + GRPC_OFFSET + 5)]
        if all(is_free(port) for port in ports):
            return first


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Return whether nobody listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) != 0
