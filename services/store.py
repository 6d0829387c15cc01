"""The S3 store alone, on free ports: for what needs nothing else of the platform."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components import storage
from components.errors import StorageError
from components.settings import settings as component_settings
from services.credentials import credentials
from services.ports import free_block
from services.programs import programs, stage_environment
from services.settings import ServiceSettings


@contextmanager
def store(home: Path) -> Iterator[None]:
    """Start SeaweedFS as the platform starts it, with its data in `home`; stop it at the end.

    Meanwhile the components of this process, and of those it starts, reach it.

    Raises:
        StorageError: it does not answer in time.

    """
    settings = ServiceSettings(home=home, s3_port=free_block(), s3_endpoint=None)
    keys, _ = credentials(settings.home)
    (weed,) = (one for one in programs(settings, keys) if one.name == "s3")
    (settings.home / "s3").mkdir(parents=True, exist_ok=True)
    before = dict(os.environ)
    os.environ.update(stage_environment(settings, keys))
    component_settings.cache_clear()
    process = subprocess.Popen(
        weed.command,
        env=before | weed.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(time.monotonic() + settings.start_timeout)
        yield
    finally:
        process.terminate()
        process.wait()
        os.environ.clear()
        os.environ.update(before)
        component_settings.cache_clear()


def _wait(deadline: float) -> None:
    while True:
        try:
            storage.ensure_bucket(component_settings().s3_bucket)
            return
        except StorageError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
