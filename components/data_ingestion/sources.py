"""Files of a raw source: find them, snapshot them, read them with the bad lines set apart."""

import shutil
from pathlib import Path

from components.errors import DataError


def copy_file(source: Path, raw: Path) -> None:
    """Snapshot one file.

    A copy, not a hard link: DVC makes its cache's files read-only and keeps them forever, and an
    edit of the user's file in place would change every version that shares its bytes.

    Raises:
        DataError: there is no such file.

    """
    if not source.is_file():
        raise DataError(f"the file {source.name} in {source.parent}", "none", "check data.path")
    shutil.copyfile(source, raw / source.name)
