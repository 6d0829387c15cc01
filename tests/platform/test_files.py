import os
import time
from pathlib import Path

import pytest

from components.platform.errors import StorageError
from components.platform.files import atomic_file, atomic_folder, keep_latest


@pytest.mark.parametrize("way", [atomic_file, atomic_folder])
def test_a_parent_that_is_a_file_is_one_line(way, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with (
        pytest.raises(StorageError, match=r"expected to write .*taken"),
        way(tmp_path / "taken" / "output"),
    ):
        pass
    assert (tmp_path / "taken").read_text() == "a file"


def write(path: Path, value: str) -> None:
    with atomic_folder(path) as folder:
        (folder / "value").write_text(value)
        if value == "bad":
            raise ValueError(value)


def test_a_block_that_fails_leaves_the_old_folder(tmp_path: Path) -> None:
    write(tmp_path / "output", "old")
    with pytest.raises(ValueError, match="bad"):
        write(tmp_path / "output", "bad")
    assert (tmp_path / "output" / "value").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["output"]


def test_what_was_changed_last_is_kept(tmp_path: Path) -> None:
    for age, name in enumerate(("new", "young", "old")):
        path = tmp_path / name
        (path.mkdir if name == "old" else path.touch)()
        then = time.time() - 1000 * (1 + age)
        os.utime(path, (then, then))
    assert keep_latest(tmp_path.iterdir(), keep=1, seconds=2500) == ["old"]
    assert keep_latest([*tmp_path.iterdir(), tmp_path / "gone"], keep=1) == ["young"]
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
