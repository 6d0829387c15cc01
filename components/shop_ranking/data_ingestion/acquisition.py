"""Snapshot of the raw source, so that DVC versions what was read and a changed source is seen."""

from pathlib import Path

from components.platform.feedback.served_events import snapshot
from components.platform.files import atomic_folder
from components.platform.progress import say
from components.shop_ranking.data_ingestion.adapters import adapter_for
from components.shop_ranking.params import Params

FEEDBACK = "feedback"  # below the raw folder


def run(params: Params, raw: Path) -> None:
    """Copy the dataset's raw files into `raw`; an unchanged source gives the same bytes.

    The partitions of data.feedback go to `raw`/feedback.

    Raises:
        DataError: a source is missing.
        StorageError: feedback is in a store that cannot be reached.

    """
    adapter = adapter_for(params.data.dataset)
    with atomic_folder(raw) as folder:
        adapter.acquire(params, folder)
        if params.data.feedback is not None:
            taken = snapshot(params.data.feedback, folder / FEEDBACK)
            say(f"{taken} days of feedback from {params.data.feedback}")
