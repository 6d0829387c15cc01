"""A run as it was registered: its params and tables, wherever its workspace was.

Params are a file of the MLflow run `pipeline <run>`. Tables lie in S3 by the digest of their
content, so that equal ones are stored once; the run's tables.json says which are its own.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from components.platform import storage, tracking
from components.platform.errors import StorageError
from components.platform.files import atomic_file, write_json
from components.platform.tracking import Version

PREFIX = "tables/"  # in S3: <SHA-256>/<name>
MANIFEST = "tables.json"  # name of a table -> its SHA-256
PIPELINE = "pipeline"


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


def fetch_run(version: Version, cache: Path) -> RegisteredRun:
    """Fetch what a version was trained on; tables that are in `cache` are not fetched again.

    Raises:
        RegistryError: MLflow does not answer, or has no such run.
        StorageError: S3 cannot be reached, or holds other tables.

    """
    run = version.tags.get("pipeline_run", "none")
    params, manifest = (
        tracking.run_file(PIPELINE, run, name, cache / "runs") for name in ("params.yaml", MANIFEST)
    )
    digests: dict[str, str] = json.loads(manifest.read_text())
    folder = cache / "tables" / hashlib.sha256(manifest.read_bytes()).hexdigest()
    for name, digest in digests.items():
        if not (folder / name).is_file():
            _fetch(name, digest, folder / name)
    return RegisteredRun(params, folder)


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
