"""A run as it was registered: its params and tables, wherever its workspace was.

Params are a file of the MLflow run `pipeline <run>`. Tables lie in S3 by the digest of their
content, so that equal ones are stored once; the run's tables.json says which are its own.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from components.platform import storage, tracking
from components.platform.errors import StorageError
from components.platform.files import atomic_file, keep_latest, write_json
from components.platform.progress import say
from components.platform.settings import settings
from components.platform.tracking import Version

PREFIX = "tables/"  # in S3: <SHA-256>/<name>
MANIFEST = "tables.json"  # name of a table -> its SHA-256
PIPELINE = "pipeline"
# Runs of a registered model on this machine: the champion's, and the one's before.
# Capacity only: changes no result.
KEPT = 2
# Seconds; what was fetched so lately may be read by another process.
# Capacity only: changes no result.
READING = 2 * 3600.0


@dataclass(frozen=True)
class RegisteredRun:
    """Files of a run, in a folder of this machine."""

    params: Path  # params.yaml
    tables: Path  # folder


def publish_tables(tables: Iterable[Path], scratch: Path) -> None:
    """Put tables into S3 and name them in the open MLflow run.

    Raises:
        StorageError: S3 cannot be reached or refuses the write.

    """
    digests = {}
    for table in tables:
        with table.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if not storage.stored(key := _key(table.name, digest)):
            storage.upload(table, key)
        digests[table.name] = digest
    write_json(digests, scratch / MANIFEST)
    tracking.log_artifact(scratch / MANIFEST)


def fetch_params(version: Version, folder: Path) -> Path:
    """Fetch params.yaml of the run that a version comes from, into a folder.

    Raises:
        AbsentError: the run was not published.
        RegistryError: MLflow does not answer.

    """
    return _run_file(version, "params.yaml", folder)


def fetch_run(version: Version) -> RegisteredRun:
    """Fetch what a version was trained on; tables that are on this machine are not fetched again.

    Of each registered model the runs that were asked for last are kept, the others removed.

    Raises:
        AbsentError: the run was not published.
        RegistryError: MLflow does not answer.
        StorageError: S3 cannot be reached, or holds other tables.

    """
    kept = settings().home / "cache" / "runs" / version.name
    params = fetch_params(version, kept / "files")
    manifest = _run_file(version, MANIFEST, kept / "files")
    digests: dict[str, str] = json.loads(manifest.read_text())
    tables = kept / "tables" / hashlib.sha256(manifest.read_bytes()).hexdigest()
    for name, digest in digests.items():
        if not (tables / name).is_file():
            _fetch(name, digest, tables / name)
    tables.mkdir(parents=True, exist_ok=True)
    for folder in (params.parent, tables):
        os.utime(folder)
        if removed := keep_latest(folder.parent.iterdir(), KEPT, READING):
            say(f"removed of earlier runs, from {folder.parent}: {', '.join(removed)}")
    return RegisteredRun(params, tables)


def _run_file(version: Version, name: str, folder: Path) -> Path:
    return tracking.run_file(PIPELINE, version.tags.get("pipeline_run", "none"), name, folder)


def _fetch(name: str, digest: str, target: Path) -> None:
    content = storage.get(_key(name, digest))
    if (arrived := hashlib.sha256(content).hexdigest()) != digest:
        raise StorageError(
            f"{name} with SHA-256 {digest} in S3",
            f"one with {arrived}",
            "clear the task `publish` of the run, so that it is written again",
        )
    with atomic_file(target) as temporary:
        temporary.write_bytes(content)


def _key(name: str, digest: str) -> str:
    return f"{PREFIX}{digest}/{name}"
