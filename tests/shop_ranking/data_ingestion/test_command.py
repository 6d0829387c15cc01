"""`python -m components` on bad input: one line, exit code not 0, the old output stays."""

import pytest

from tests.shop_ranking.data_ingestion.conftest import USERS, Shop, append
from tests.stages import refused, run_stage


@pytest.mark.parametrize("stage", ["data_acquisition", "data_ingestion"])
def test_a_full_disk_is_one_line_and_leaves_the_old_output(shop: Shop, stage: str) -> None:
    shop.ingest()
    append(shop.source / "orders.csv", f"o99,{USERS[0]},2024-03-05,p1,1,1")
    error = refused(shop.run, stage, shop.params(), 1000)
    assert error.startswith(f"{stage}: expected to write data/")


def test_an_unknown_dataset_is_one_line(shop: Shop) -> None:
    values = shop.params().model_dump(mode="json")
    values["data"]["dataset"] = "shop-of-horrors"
    error = run_stage(shop.run, "data_acquisition", values)
    assert error.count("\n") == 1
    assert "data.dataset" in error
    assert "'shop-of-horrors'" in error
