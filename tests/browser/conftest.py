from collections.abc import Iterator
from pathlib import Path

import pytest

from components.platform import storage
from components.platform.files import read_table
from components.platform.settings import settings
from tests.browser.trading import OTHER_PAGES, offer, write_feedback
from tests.served import ServedShop
from tests.store import Store

BUCKET = "trading"


@pytest.fixture(scope="session")
def trading(
    served_packages: Path, store: Store, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedShop]:
    """The real server with two weeks of feedback in a real store, and campaigns that run."""
    reached = store.environment | {"SHOPFUSION_S3_BUCKET": BUCKET}
    items = read_table(served_packages / "fused" / "shop" / "items.parquet")
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in reached.items():
            patch.setenv(variable, value)
        settings.cache_clear()
        storage.ensure_bucket(BUCKET)
        write_feedback(items)
    settings.cache_clear()
    more = reached | OTHER_PAGES
    served = ServedShop(served_packages, tmp_path_factory.mktemp("trading"), more)
    try:
        served.start()
        offer(served, items["item_id"].to_pylist())
        yield served
    finally:
        served.stop()
