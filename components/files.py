"""Atomic outputs: a reader sees the old file or the whole new one, never half of one."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.errors import DataError, StorageError
from components.settings import writes


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling folder that replaces `path` only if the block succeeds.

    Of several processes that train together only the first one's replaces it; so do files.

    Raises:
        StorageError: the disk refuses the write (full, read-only, no permission).

    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
        try:
            yield temporary
            if writes():
                temporary.chmod(0o755)
                if path.exists():
                    shutil.rmtree(path)
                temporary.replace(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        if error.errno is None or isinstance(error, FileNotFoundError):
            raise
        raise _unwritable(path, error) from error


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling path that replaces `path` only if the block succeeds.

    Raises:
        StorageError: the disk refuses the write.

    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            yield temporary
            if writes():
                temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        if error.errno is None or isinstance(error, FileNotFoundError):
            raise
        raise _unwritable(path, error) from error


def write_table(table: pa.Table, path: Path) -> None:
    """Write one Parquet file atomically (zstd)."""
    with atomic_file(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read one Parquet file.

    Raises:
        DataError: the file is absent or not Parquet.

    """
    try:
        return pq.read_table(path, columns=columns)
    except FileNotFoundError as error:
        raise DataError(
            f"the file {path}", "none", "run the stage that writes it (see dvc.yaml)"
        ) from error
    except pa.ArrowInvalid as error:
        raise DataError(
            f"a Parquet file at {path}", str(error).splitlines()[0], "write it again"
        ) from error


def write_json(value: Any, path: Path) -> None:
    """Write one JSON document atomically, keys sorted so that equal content is equal bytes."""
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")


def _unwritable(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"to write {path}",
        error.strerror or str(error),
        "free disk space or choose another folder, then run the stage again",
    )
