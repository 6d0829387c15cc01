"""Writes a row's tables between its markers in a page, so that rows can be run one at a time."""

import os
import platform
import re
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from benchmarks.quality.report import Report
from benchmarks.quality.rows import Task
from components.platform.files import atomic_file

PACKAGES = ("numpy", "scipy", "torch", "transformers", "peft", "lightgbm", "implicit", "bm25s")
PRINTED = Path("-")  # as a page: print only
HEAD = """## Quality on public data

Written by `make bench-quality`; some rows only: `make bench-quality ROWS="beauty search"`, data of
the same layout from elsewhere: `make bench-quality DATA=/srv/data`, other histories for rows 1 and
2: `make bench-quality ROWS=beauty DATA=/srv/Sports.txt` (one file, or a folder of them), another
page: `PAGE=` (`-` prints only), a share of the data: `SAMPLE=`, or
`python -m benchmarks.quality --help`. A row whose data is absent is skipped with one line. Data is
looked for in `../shared/data`, or where SHOPFUSION_BENCHMARK_DATA points.

Tuning touches train and validation only; test is read once. Brackets are 95% bootstrap intervals.
"""


@dataclass(frozen=True)
class Facts:
    """What the runner knows of a finished row."""

    name: str
    task: Task
    seconds: float
    megabytes: float

    def line(self) -> str:
        """Say how, where and with what the numbers were made."""
        device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine()
        sample = "" if self.task.sample == 1 else f"**sample {self.task.sample:g}**, "
        threads = os.environ.get("OMP_NUM_THREADS", str(os.cpu_count()))
        packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
        return (
            f"{sample}seed {self.task.seed}, {self.seconds:.0f} s, peak {self.megabytes:,.0f} MB, "
            f"{device}, {threads} threads, Python {platform.python_version()}, {packages}."
        )


def write_row(page: Path, report: Report, facts: Facts) -> str:
    """Replace the row's part of the page, or append it; return what was written.

    Nothing is written where the page is PRINTED.
    """
    begin, end = f"<!-- {facts.name}: begin -->", f"<!-- {facts.name}: end -->"
    parts = [f"### {report.title}", *(table.markdown() for table in report.tables)]
    parts += ["\n".join(f"- {note}" for note in report.notes)] if report.notes else []
    body = "\n\n".join([*parts, facts.line()])
    if page == PRINTED:
        return body
    whole = page.read_text() if page.exists() else HEAD
    block = f"{begin}\n{body}\n{end}"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if pattern.search(whole):
        whole = pattern.sub(lambda _: block, whole)
    else:
        whole = f"{whole.rstrip()}\n\n{block}\n"
    with atomic_file(page) as temporary:
        temporary.write_text(whole)
    return body
