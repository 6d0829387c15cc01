"""Objects of S3 on this machine: each state of an object is downloaded once, whoever asks."""

import fcntl
import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.platform import storage
from components.platform.errors import StorageError
from components.platform.files import atomic_file
from components.platform.settings import settings
from components.platform.storage import Stored


def copy_all(prefix: str, folder: Path, ending: str = "") -> list[Path]:
    """Copy every object below a prefix whose key has this ending; the rest of the key is kept.

    Raises:
        StorageError: the store cannot be reached or refuses the keys, or the disk is full.

    """
    copied = []
    for item in storage.stored(prefix):
        if item.key.endswith(ending):
            target = folder / item.key.removeprefix(prefix).lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            with _held(item) as path:
                shutil.copyfile(path, target)
            copied.append(target)
    return copied


def read(key: str) -> bytes:
    """Return one object as it is now.

    Raises:
        StorageError: there is none, or the store cannot be reached, or the disk is full.

    """
    for item in storage.stored(key):
        if item.key == key:
            with _held(item) as path:
                return path.read_bytes()
    raise StorageError(f"an object {key} in S3", "none", "run the DAG that writes it")


@contextmanager
def _held(item: Stored) -> Iterator[Path]:
    """Yield the file of an object's state; nobody replaces or downloads it meanwhile.

    A file is named by what tells states apart (ETag, size, time), in a folder a key that holds the
    newest state alone.
    """
    store = settings()
    place = _digest(store.s3_endpoint or "AWS", store.s3_bucket, item.key)
    folder = store.home / "cache" / "objects" / place[:2] / place[2:]
    path = folder / _digest(item.etag, str(item.size), item.modified.isoformat())
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            with atomic_file(path) as temporary:
                storage.download(item.key, temporary)
            for other in folder.iterdir():
                if other not in (path, folder / "lock"):
                    other.unlink()
        yield path


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]
