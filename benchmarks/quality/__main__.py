"""Measure quality and speed on public data and write the tables into docs/benchmarks.md.

python -m benchmarks.quality [row ...] [--data FOLDER] [--sample SHARE] [--seed N] [--page FILE]

Each row runs in a process of its own, so that its peak memory is its own. A row whose data is
absent is skipped with one line.
"""

import argparse
import os
import sys
import time
from pathlib import Path

from benchmarks.quality.rows import ROWS, Task
from benchmarks.quality.running import run_apart
from benchmarks.quality.shop import finished_run
from benchmarks.quality.writing import Facts, write_row
from components.errors import ShopError
from components.progress import say, track

DATA = Path(os.environ.get("SHOPFUSION_BENCHMARK_DATA", "../shared/data"))
PAGE = Path("docs/benchmarks.md")


def main(arguments: list[str]) -> int:
    """Run the rows asked for, all by default; 1 when one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="row", help=", ".join(ROWS))
    parser.add_argument("--data", type=Path, default=DATA, help=f"folder of the data ({DATA})")
    parser.add_argument("--sample", type=float, default=1.0, help="share of the data (1)")
    parser.add_argument("--seed", type=int, default=0, help="seed of every random choice (0)")
    parser.add_argument("--page", type=Path, default=PAGE, help=f"where tables go ({PAGE})")
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.rows if name not in ROWS]
    if unknown:
        parser.error(f"no row is called {', '.join(unknown)}; rows: {', '.join(ROWS)}")
    failed = 0
    for name in track(_with_run(chosen.rows), "rows"):
        row, started = ROWS[name], time.monotonic()
        absent = [need for need in row.needs if not list(chosen.data.glob(need))]
        if absent:
            say(f"{name}: skipped, no {', '.join(absent)} in {chosen.data}")
            continue
        if row.prepared and not finished_run.there():
            say(f"{name}: skipped, no finished run in this folder")
            continue
        say(f"{name}: {row.title}")
        task = Task(chosen.data, chosen.sample, chosen.seed)
        try:
            report, megabytes = run_apart(row.module, task)
        except ShopError as error:
            say(f"{name}: {error}")
            failed = 1
            continue
        facts = Facts(name, task, time.monotonic() - started, megabytes)
        say(write_row(chosen.page, report, facts))
    return failed


def _with_run(rows: list[str]) -> list[str]:
    """Return the rows to run, all by default; a run is trained once where rows need one."""
    names = rows or [name for name in ROWS if name != "run"]
    first = next((place for place, name in enumerate(names) if ROWS[name].prepared), None)
    if first is None or finished_run.there() or "run" in names:
        return names
    return [*names[:first], "run", *names[first:]]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
