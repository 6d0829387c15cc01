"""Runs a row in a process of its own, so that its peak memory is its own."""

import importlib
import multiprocessing
import os
import resource
import tempfile
from concurrent.futures import ProcessPoolExecutor

from benchmarks.quality.report import Report
from benchmarks.quality.rows import Task


def run_apart(module: str, task: Task) -> tuple[Report, float]:
    """Return a row's report, and the peak memory of its process in MB."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as process:
        return process.submit(_run, module, task).result()


def _run(module: str, task: Task) -> tuple[Report, float]:
    """Run a row; what stages log to MLflow goes to a file that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SHOPFUSION_MLFLOW_URI"] = f"sqlite:///{folder}/mlflow.db"
        report: Report = importlib.import_module(module).run(task)
    return report, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
