"""Snapshot of the raw source, so that DVC versions what was read and a changed source is seen."""

from pathlib import Path

from components.data_ingestion.adapters import adapter_for
from components.files import atomic_folder
from components.params import Params


def run(params: Params, raw: Path) -> None:
    """Copy the dataset's raw files into `raw`; an unchanged source gives the same bytes."""
    adapter = adapter_for(params.data.dataset)
    with atomic_folder(raw) as folder:
        adapter.acquire(params, folder)
