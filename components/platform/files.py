"""Atomic outputs: a reader sees the old file or the whole new one, never half of one."""

import errno
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from components.platform.errors import DataError, ShopError, StorageError
from components.platform.settings import writes

# Bytes; more than the unused end of a file's last block. Capacity only: changes no result.
GROWTH = 2**20
OF_RUST = re.compile(r"\(os error (\d+)\)")


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling folder that replaces `path` only if the block succeeds.

    Of several processes that train together only the first one's replaces it; so do files.

    Raises:
        StorageError: the disk refuses the write (full, read-only, no permission).

    """
    with _scratch(path) as temporary:
        temporary.mkdir()
        yield temporary
        if writes():
            if path.exists():
                shutil.rmtree(path)
            temporary.replace(path)


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling path that replaces `path` only if the block succeeds.

    Raises:
        StorageError: the disk refuses the write.

    """
    with _scratch(path) as temporary:
        yield temporary
        if writes():
            temporary.replace(path)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a folder for files that are needed for a while, in the system's temporary folder.

    Nobody else on the machine can look into it.

    Raises:
        StorageError: the disk refuses a write.

    """
    with _scratch(Path(tempfile.gettempdir()) / "shopfusion") as folder:
        folder.mkdir(mode=0o700)
        yield folder


def keep_latest(paths: Iterable[Path], keep: int, seconds: float = 0.0) -> list[str]:
    """Delete files and folders but those changed last; return the names of what was deleted.

    Args:
        paths: files and folders.
        keep: how many stay.
        seconds: what was changed so lately stays besides.

    """
    changed: dict[Path, float] = {}
    for path in paths:
        with suppress(FileNotFoundError):  # another process has just deleted it
            changed[path] = path.stat().st_mtime
    newest_first = sorted(changed, key=lambda path: changed[path], reverse=True)
    old = [path for path in newest_first[keep:] if changed[path] < time.time() - seconds]
    for path in old:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return [path.name for path in old]


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


@contextmanager
def _scratch(path: Path) -> Iterator[Path]:
    """Yield an unused name beside `path`; nothing of that name is left.

    Raises:
        StorageError: the disk refuses what the block writes, in whatever words the writer says so.

    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
    except Exception as error:
        if isinstance(error, ShopError) or (reason := _refusal(error, temporary)) is None:
            raise
        raise StorageError(
            f"to write {path}",
            reason,
            "free disk space or choose another folder, then run the stage again",
        ) from error
    finally:
        with suppress(OSError):
            if temporary.is_dir():
                shutil.rmtree(temporary)
            else:
                temporary.unlink()


def _refusal(error: Exception, written: Path) -> str | None:
    """Return why the disk refused what was being `written`; None if the error is another one.

    Writers in native code (numpy, torch, LightGBM, DuckDB) raise errors of their own that name no
    reason. Then the disk is asked: the newest file, which is thrown away anyway, is made to grow.
    Where a writer has removed its file already (safetensors), Rust's words name the reason.
    """
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (os_error := OF_RUST.search(str(error))):
        number = int(os_error[1])
    if number is not None:
        return None if number == errno.ENOENT else os.strerror(number)
    try:
        fresh = written / "probe" if written.is_dir() else written
        files = [path for path in (written, *written.rglob("*")) if path.is_file()]
        newest = max(files, key=lambda path: path.stat().st_mtime_ns, default=fresh)
        with newest.open("ab") as file:
            file.write(bytes(GROWTH))
    except OSError as refused:
        return os.strerror(refused.errno or errno.EIO)
    return None
