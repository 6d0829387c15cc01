"""Snapshot of the raw source, so that DVC versions what was read and a changed source is seen."""

from importlib import import_module
from pathlib import Path

from components.files import atomic_folder
from components.params import Params


def run(params: Params, raw: Path) -> None:
    """Copy the dataset's raw files into `raw`."""
    adapter = import_module(
        f"components.data_ingestion.adapters.{params.data.dataset.replace('-', '_')}"
    )
    with atomic_folder(raw) as folder:
        adapter.acquire(params.data, folder)
