"""The platform's services on free ports, started once for all tests that need them."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from services.credentials import Credentials, credentials
from services.ports import free_block
from services.settings import ServiceSettings

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

    def run(self, *arguments: str, timeout: float = 700) -> subprocess.CompletedProcess[str]:
        """Run `python -m services ARGUMENTS` as a person would."""
        return run_services(self.environment, *arguments, timeout=timeout)


def make_platform(home: Path, **more: str) -> Platform:
    """Return a platform on free ports; `more` are other settings. Nothing is started."""
    first = free_block()
    values = {
        "home": str(home),
        "s3_port": str(first),
        "airflow_port": str(first + 5),
        "mlflow_port": str(first + 6),
        "evidently_port": str(first + 7),
        "serving_port": str(first + 8),
        "start_timeout": "600",  # tests share their cores with others
        "s3_endpoint": "",
        **more,
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
