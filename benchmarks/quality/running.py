"""Runs a row in a process of its own, so that its peak memory is its own."""

import importlib
import multiprocessing
import os
import resource
import tempfile
import traceback
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from benchmarks.quality.report import Report
from benchmarks.quality.rows import Task
from components.platform.errors import ShopError
from components.platform.files import atomic_file

# glibc hands large freed blocks back to the system at once, and the next one is zeroed page by page
# again: an epoch of row 1 took half as long again. Read by a process when it starts.
KEEP_FREED = {
    "MALLOC_MMAP_THRESHOLD_": "1000000000",  # bytes
    "MALLOC_TRIM_THRESHOLD_": "1000000000",
    "MALLOC_TOP_PAD_": "67108864",
}
TRACES = Path(".state/benchmarks")


def run_apart(module: str, task: Task) -> tuple[Report, float]:
    """Return a row's report, and the peak memory of its largest process in MB."""
    os.environ.update(KEEP_FREED)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as process:
        return process.submit(_run, module, task).result()


def told(error: Exception, block: str) -> str:
    """Say in one line why a row failed; what nobody foresaw is written down whole beside it."""
    if isinstance(error, ShopError):
        return " ".join(str(error).split())
    if isinstance(error, BrokenProcessPool):
        return (
            "expected its process to finish; found it killed, most often for want of memory; take "
            "a smaller --sample, or a machine with more"
        )
    file = TRACES / f"{block}.log"
    with atomic_file(file) as temporary:
        temporary.write_text("".join(traceback.format_exception(error)))
    said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return f"expected it to finish; found {said}; the whole of it is in {file}"


def _run(module: str, task: Task) -> tuple[Report, float]:
    """Run a row; what stages log to MLflow goes to a file that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SHOPFUSION_MLFLOW_URI"] = f"sqlite:///{folder}/mlflow.db"
        report: Report = importlib.import_module(module).run(task)
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return report, max(resource.getrusage(kind).ru_maxrss for kind in kinds) / 1024
