"""What a change costs: each kind of thing is added to a copy of the repository, and runs there."""

from tests.shop_ranking.additions.copying import Copy

METHOD = '''
"""Every candidate by popularity alone."""

from typing import ClassVar

from components.shop_ranking.engine.fusion.rank_ensemble import RankEnsemble


class BestSeller(RankEnsemble):
    """A ranking under another name."""

    name: ClassVar[str] = "best-seller"
'''
USES_METHOD = """
from components.shop_ranking.engine.fusion import METHODS
from components.shop_ranking.model_registration.packages import _by_name
from components.shop_ranking.params import Params
params = Params.model_validate({"fusion": {"method": "best-seller", "only": "best-seller"}})
assert METHODS[params.fusion.only](0, params.fusion).name == "best-seller"
assert "components.shop_ranking.engine.fusion.best_seller" in _by_name()
assert "best-seller" in Params.model_json_schema()["$defs"]["FusionParams"]["properties"]["method"][
    "anyOf"][0]["enum"]
"""
ADAPTER = '''
"""One product, of nobody."""

from pathlib import Path

import pyarrow as pa

from components.shop_ranking.data_ingestion.adapter import Batch, Extract
from components.shop_ranking.params import Params


def acquire(params: Params, raw: Path) -> None:
    """Write one line."""
    (raw / "product.txt").write_text("tea")


def read(raw: Path, params: Params) -> Extract:
    """Read it."""
    rows = pa.table({"item_id": [(raw / "product.txt").read_text()]})
    return Extract([Batch("products", "product.txt", rows)])
'''
USES_ADAPTER = """
from pathlib import Path
from components.shop_ranking.data_ingestion import acquisition
from components.shop_ranking.data_ingestion.adapters import adapter_for
from components.shop_ranking.params import Params
params = Params.model_validate({"data": {"dataset": "tea-shop"}})
acquisition.run(params, Path("raw"))
extract = adapter_for("tea-shop").read(Path("raw"), params)
assert extract.batches[0].rows["item_id"].to_pylist() == ["tea"]
"""


def test_a_fusion_method_is_one_new_file(tmp_path):
    copy = Copy(tmp_path / "copy")
    copy.add("components/shop_ranking/engine/fusion/best_seller.py", METHOD)
    assert [len(files) for files in copy.touched()] == [1, 0]
    copy.run(USES_METHOD, work=tmp_path)


def test_an_adapter_is_one_new_file(tmp_path):
    copy = Copy(tmp_path / "copy")
    copy.add("components/shop_ranking/data_ingestion/adapters/tea_shop.py", ADAPTER)
    assert [len(files) for files in copy.touched()] == [1, 0]
    copy.run(USES_ADAPTER, work=tmp_path)
