"""Measure quality and speed on public data and write the tables into docs/benchmarks.md.

python -m benchmarks.quality [row ...] [--data FOLDER] [--sample SHARE] [--seed N] [--page FILE]

Each row runs in a process of its own, so that its peak memory is its own. A row whose data is
absent is skipped with one line; one that fails says so in one line, and the others go on. FOLDER
may be one file of histories, or hold several: rows 1 and 2 measure one after another.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.quality.next_item.leave_one_out import FOLDER, PATTERNS, order_files, stem
from benchmarks.quality.rows import ROWS, Task
from benchmarks.quality.running import run_apart, told
from benchmarks.quality.shop import finished_run
from benchmarks.quality.writing import PRINTED, Facts, write_row
from components.platform.progress import say, track

DATA = Path(os.environ.get("SHOPFUSION_BENCHMARK_DATA", "../shared/data"))
PAGE = Path("docs/benchmarks.md")


def main(arguments: list[str]) -> int:
    """Run the rows asked for, all by default; 1 when one of them failed."""
    chosen = _parsed(arguments)
    failed: set[str] = set()
    for name in track(with_run(chosen.rows), "rows"):
        if ROWS[name].prepared and "run" in failed:
            say(f"{name}: skipped, no finished run in this folder")
            continue
        absent = absent_files(name, chosen.data or DATA)
        if absent:
            say(f"{name}: skipped, no {', '.join(absent)} in {chosen.data or DATA}")
            continue
        try:
            for block, task in _tasks(name, chosen):
                if not _measured(block, name, task, chosen.page):
                    failed.add(name)
        except Exception as error:
            say(f"{name}: {told(error, name)}")
            failed.add(name)
    return 1 if failed else 0


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="row", help=", ".join(ROWS))
    parser.add_argument("--data", type=Path, help=f"folder of the data, or a file ({DATA})")
    parser.add_argument("--sample", type=float, default=1.0, help="share of the data (1)")
    parser.add_argument("--seed", type=int, help="seed of every random choice (0)")
    parser.add_argument(
        "--page", type=Path, default=PAGE, help=f"where tables go ({PAGE}); {PRINTED}: print only"
    )
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.rows if name not in ROWS]
    if unknown:
        parser.error(f"no row is called {', '.join(unknown)}; rows: {', '.join(ROWS)}")
    if not 0 < chosen.sample <= 1:
        parser.error(f"expected a share above 0, at most 1, as --sample; found {chosen.sample:g}")
    if chosen.seed is not None and chosen.seed < 0:
        parser.error(f"expected 0 or more as --seed; found {chosen.seed}")
    if chosen.data is not None and not chosen.data.exists():
        parser.error(f"expected a folder or a file as --data; found none at {chosen.data}")
    return chosen


def with_run(rows: list[str]) -> list[str]:
    """Return the rows to run, all by default; where rows read a run, it is made sure of first."""
    names = [name for name in rows or ROWS if name != "run"]
    first = next((place for place, name in enumerate(names) if ROWS[name].prepared), None)
    return rows if first is None else [*names[:first], "run", *names[first:]]


def absent_files(name: str, data: Path) -> list[str]:
    """Return what a row needs and `data` lacks."""
    if ROWS[name].histories:
        return [] if order_files(data) else [f"{FOLDER}/{pattern}" for pattern in PATTERNS]
    return [need for need in ROWS[name].needs if not list(data.glob(need))]


def _tasks(name: str, chosen: argparse.Namespace) -> Iterator[tuple[str, Task]]:
    """Yield what a row is run on, and the name of its part of the page.

    Raises:
        ParamsError: a row of the main job is asked for another seed or data than params.yaml has.

    """
    row, data, seed = ROWS[name], chosen.data or DATA, chosen.seed or 0
    if name == "run" or row.prepared:
        own = finished_run.seed_of(chosen.seed, chosen.data if chosen.rows else None)
        yield name, Task(data, chosen.sample, own)
    elif row.histories:
        for file in order_files(data):
            yield f"{name} {stem(file)}", Task(file, chosen.sample, seed)
    else:
        yield name, Task(data, chosen.sample, seed)


def _measured(block: str, name: str, task: Task, page: Path) -> bool:
    """Run a row and write its part of the page; False, and one line, where it failed."""
    say(f"{block}: {ROWS[name].title}")
    started = time.monotonic()
    try:
        report, megabytes = run_apart(ROWS[name].module, task)
        facts = Facts(block, task, time.monotonic() - started, megabytes)
        say(write_row(page if report.computed else PRINTED, report, facts))
    except Exception as error:
        say(f"{block}: {told(error, block)}")
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
