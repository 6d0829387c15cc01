"""Files of a raw source: find them and snapshot them."""

import re
import shutil
from pathlib import Path

from components.platform.errors import DataError
from components.shop_ranking.params import Params


def folder_of(params: Params) -> Path:
    """Return the folder the user named.

    Raises:
        DataError: data.path is not set or is not a folder.

    """
    path = params.data.path
    if path is None or not Path(path).is_dir():
        raise DataError(
            f"data.path to name the folder of your {params.data.dataset} files",
            "no path" if path is None else f"no folder at {path}",
            "set data.path in params.yaml",
        )
    return Path(path)


def find(folder: Path, pattern: str, missing: str | None = None) -> list[Path]:
    """Return the files whose whole name matches the regular expression, sorted by name.

    Endings come last in the order: orders.csv is before orders-april.csv.

    Raises:
        DataError: `missing` (what the files are) is given and there are none.

    """
    matching = [p for p in folder.iterdir() if p.is_file() and re.fullmatch(pattern, p.name)]
    files = sorted(matching, key=lambda path: (path.name.split(".")[0], path.name))
    if not files and missing is not None:
        present = ", ".join(sorted(p.name for p in folder.iterdir())[:8]) or "an empty folder"
        raise DataError(f"{missing} in {folder}", present, "check data.path and docs/data.md")
    return files


def copy_file(source: Path, raw: Path) -> None:
    """Snapshot one file.

    A copy, not a hard link: DVC makes its cache's files read-only and keeps them for good, and an
    edit of the user's file in place would change every version that shares its bytes.

    Raises:
        DataError: there is no such file.

    """
    if not source.is_file():
        raise DataError(f"the file {source.name} in {source.parent}", "none", "check data.path")
    shutil.copyfile(source, raw / source.name)
