"""Machine code is kept once a machine and code version, and never of another version."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from components.platform.compiled import compiled, content

ROOT = Path(__file__).parents[2]
MODULE = """
import numpy as np
from components.platform.compiled import compiled, compiled_sums

FACTOR, TABLE = 3, np.array([1.0, 2.0])

@compiled
def scaled(x):
    return shifted(x) * FACTOR + TABLE[1]

@compiled_sums
def shifted(x):
    return x + 1

if __name__ == "__main__":
    print(scaled(4), scaled(0.5))
    hits = [sum(loop.stats.cache_hits.values()) for loop in (scaled, shifted)]
    misses = [sum(loop.stats.cache_misses.values()) for loop in (scaled, shifted)]
    print(*hits, *misses)
"""
EDITED_MEANWHILE = """
import sys
from pathlib import Path

if "edit" in sys.argv:
    file = Path(__file__)
    file.write_text(file.read_text().replace("return x + 1", "return x + 2"))
"""
FIELDS = """
from typing import NamedTuple
from components.platform.compiled import compiled

class Pair(NamedTuple):
    first: float
    second: float

@compiled
def difference(pair):
    return pair.first - pair.second

@compiled
def made(first):
    pair = Pair(first, 2.0)
    return pair.first - pair.second

if __name__ == "__main__":
    import loops  # numba keeps a class of the main module by value
    print(loops.difference(loops.Pair(first=5.0, second=2.0)), loops.made(5.0))
"""
COMPILED, READ = "0 0 2 2", "2 0 0 0"  # what is read brings what it calls with it


def copied(folder: Path, text: str = MODULE) -> Path:
    """Return a copy of the code: this module and what it imports of components."""
    for name in ("components/__init__.py", "components/platform/__init__.py",
                 "components/platform/compiled.py"):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copyfile(ROOT / name, folder / name)
    (folder / "loops.py").write_text(text)
    return folder


def start(folder: Path, cache: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "loops.py", *arguments], cwd=folder, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(folder)},
    )  # fmt: skip


def run(folder: Path, cache: Path, *arguments: str) -> list[str]:
    process = start(folder, cache, *arguments)
    out = process.communicate(timeout=120)[0]
    assert process.returncode == 0
    return out.splitlines()


def test_a_second_copy_of_the_code_compiles_nothing(tmp_path):
    cache = tmp_path / "cache"
    assert run(copied(tmp_path / "first"), cache) == ["17.0 6.5", COMPILED]
    assert run(copied(tmp_path / "second"), cache) == ["17.0 6.5", READ]


@pytest.mark.parametrize(
    ("old", "new", "answer", "counts"),
    [
        ("FACTOR, TABLE = 3", "FACTOR, TABLE = 5", "27.0 9.5", "0 2 2 0"),  # a constant of one
        ("np.array([1.0, 2.0])", "np.array([1.0, 7.0])", "22.0 11.5", "0 2 2 0"),
        ("return x + 1", "return x + 2", "20.0 9.5", COMPILED),  # what a function calls
        ("@compiled_sums", "@compiled", "17.0 6.5", COMPILED),  # how it is compiled
    ],
)
def test_code_of_another_version_is_never_used(tmp_path, old, new, answer, counts):
    cache = tmp_path / "cache"
    run(copied(tmp_path / "first"), cache)
    other = copied(tmp_path / "second", MODULE.replace(old, new))
    assert run(other, cache) == [answer, counts]
    assert run(tmp_path / "first", cache) == ["17.0 6.5", READ]  # both versions are kept


def test_code_edited_after_its_import_is_not_kept_as_the_new(tmp_path):
    """A server runs, somebody edits the checkout, and the next champion is loaded."""
    cache = tmp_path / "cache"
    edits = MODULE.replace("\nif __name__", f"{EDITED_MEANWHILE}\nif __name__")
    folder = copied(tmp_path / "code", edits)
    assert run(folder, cache, "edit") == ["17.0 6.5", COMPILED]  # as it was imported
    assert run(folder, cache) == ["20.0 9.5", COMPILED]
    assert run(copied(tmp_path / "before", edits), cache) == ["17.0 6.5", READ]


def test_named_tuples_of_other_fields_are_not_read_by_their_places(tmp_path):
    cache = tmp_path / "cache"
    assert run(copied(tmp_path / "first", FIELDS), cache) == ["3.0 3.0"]
    swapped = FIELDS.replace("first: float\n    second: float", "second: float\n    first: float")
    assert run(copied(tmp_path / "second", swapped), cache) == ["3.0 -3.0"]


def test_processes_that_compile_at_once_leave_what_the_next_one_reads(tmp_path):
    cache, folder = tmp_path / "cache", copied(tmp_path / "code")
    together = [start(folder, cache) for _ in range(3)]
    answers = [process.communicate(timeout=240)[0].splitlines()[0] for process in together]
    assert answers == ["17.0 6.5"] * 3
    assert run(folder, cache) == ["17.0 6.5", READ]


def test_the_digest_is_of_what_is_compiled_in():
    table = np.arange(3)

    def made(constant):
        @compiled
        def inner(x):
            return x + constant + table[0]

        return content(inner)

    assert made(1) == made(1) != made(2)


def test_a_full_disk_and_a_torn_file_are_no_fault(monkeypatch):
    """What numba would have raised to the first request, or while a champion warms up."""

    def refuse(*given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numba.core.caching.FunctionCache.save_overload", refuse)
    monkeypatch.setattr("numba.core.caching.FunctionCache.load_overload", refuse)

    @compiled
    def treble(x):
        return 3 * x

    assert treble(4) == 12


def test_a_loop_is_compiled_where_nothing_can_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file" / "below"))

    @compiled
    def double(x):
        return 2 * x

    assert double(4) == 8
