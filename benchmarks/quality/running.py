"""Runs a row in a process of its own, so that its peak memory is its own."""

import importlib
import multiprocessing
import os
import resource
import tempfile
from concurrent.futures import ProcessPoolExecutor

from benchmarks.quality.report import Report
from benchmarks.quality.rows import Task

# glibc hands large freed blocks back to the system at once, and the next one is zeroed page by page
# again: an epoch of row 1 took half as long again. Read by a process when it starts.
KEEP_FREED = {
    "MALLOC_MMAP_THRESHOLD_": "1000000000",  # bytes
    "MALLOC_TRIM_THRESHOLD_": "1000000000",
    "MALLOC_TOP_PAD_": "67108864",
}


def run_apart(module: str, task: Task) -> tuple[Report, float]:
    """Return a row's report, and the peak memory of its largest process in MB."""
    os.environ.update(KEEP_FREED)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as process:
        return process.submit(_run, module, task).result()


def _run(module: str, task: Task) -> tuple[Report, float]:
    """Run a row; what stages log to MLflow goes to a file that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SHOPFUSION_MLFLOW_URI"] = f"sqlite:///{folder}/mlflow.db"
        report: Report = importlib.import_module(module).run(task)
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return report, max(resource.getrusage(kind).ru_maxrss for kind in kinds) / 1024
