"""What a change costs: each kind of thing is added to a copy of the repository, and runs there."""

import json

from tests.shop_ranking.additions.copying import Copy

METHOD = '''
"""Every candidate by popularity alone, on a scale that is learnt."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from components.shop_ranking.engine.candidate_sets import CandidateSet
from components.shop_ranking.engine.fusion.interface import Weight
from components.shop_ranking.engine.fusion.lists import Calibration, calibrate
from components.shop_ranking.engine.history import Floats
from components.shop_ranking.engine.signals import SIGNALS
from components.shop_ranking.params.fusion import DEFAULTS, FusionParams


class BestSeller:
    """The log-odds of being wanted by how much an item is sold."""

    name: ClassVar[str] = "best-seller"
    needs_torch: ClassVar[bool] = True

    def __init__(self, seed: int = 0, params: FusionParams = DEFAULTS) -> None:
        self.params, self.calibration = params, Calibration()

    def fit(self, train: Sequence[CandidateSet], validation: CandidateSet) -> None:
        self.refit(train)

    def refit(self, train: Sequence[CandidateSet]) -> None:
        self.calibration = calibrate(train, [sold(rows) for rows in train], self.params)

    def score(self, candidates: CandidateSet) -> Floats:
        return self.calibration.apply(candidates, sold(candidates))

    def contributions(self, candidates: CandidateSet) -> dict[str, Floats]:
        return {"popularity": self.score(candidates)}

    def weights(self) -> list[Weight]:
        return [{"segment": "all", "part": "popularity", "weight": 1.0}]

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "scale.json").write_text(json.dumps(asdict(self.calibration)))

    @classmethod
    def load(cls, folder: Path) -> Self:
        fusion = cls()
        values = json.loads((folder / "scale.json").read_text())
        fusion.calibration = Calibration(**{name: tuple(pair) for name, pair in values.items()})
        return fusion


def sold(candidates: CandidateSet) -> Floats:
    return np.nan_to_num(candidates.signals[:, SIGNALS.index("popularity")])
'''
USES_METHOD = """
import json, shutil, sys
from pathlib import Path
import numpy as np
from components.platform import tracking
from components.platform.application import Packages
from components.platform.serving.live_events import LiveEvents
from components.shop_ranking.engine.fusion import METHODS
from components.shop_ranking.fusion_training import component as fusion
from components.shop_ranking.model_registration.packages import ranker_package
from components.shop_ranking.params import Params
from components.shop_ranking.serving.api import RecommendRequest
from components.shop_ranking.serving.champion import Champion
from tests.world import tiny_params

prepared, copy = Path(sys.argv[1]), Path(sys.argv[2])
params = tiny_params(fusion={"method": "best-seller", "only": "best-seller"})
assert "best-seller" in Params.model_json_schema()["$defs"]["FusionParams"]["properties"]["method"][
    "anyOf"][0]["enum"]
paths = {name: Path(path) for name, path in json.loads(sys.argv[3]).items()}
fused = Path("models/fused")
fusion.run(params, prepared=prepared, fused=fused, **paths)
assert (fused / "rankings/test/best-seller.npz").is_file()
fitted = METHODS["best-seller"].load(fused / "best-seller")
assert min(fitted.calibration.slope) > 0 and fitted.calibration.slope != (1.0, 1.0)

shutil.copy(copy / "requirements-serving.lock", ".")
Path("scratch").mkdir()
package = ranker_package(fused, prepared, Path("scratch"))
assert "torch==" in package.requirements.read_text()
with tracking.stage_run("model_registration", params):
    made = tracking.register(package, "fused-ranker", {})
Path("registered").mkdir()
folder = tracking.download(f"models:/{made.name}/{made.version}", Path("registered"))
champion = Champion.load(Packages("fused-ranker/1", {"fused": folder}), params, LiveEvents())
user = next(iter(champion.shoppers.row))
assert champion.recommend(RecommendRequest(user_id=user), champion.as_of).items
assert champion.ranker.fusion.calibration == fitted.calibration
known = champion.ranker.known(np.arange(5))
candidates = champion.engine.candidates(known)
assert np.array_equal(champion.ranker.fusion.score(candidates), fitted.score(candidates))
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


def test_a_fusion_method_is_one_new_file(tmp_path, tiny_world, standins, own_mlflow):
    """It is fitted, saved, registered with what it requires, and served."""
    copy = Copy(tmp_path / "copy")
    copy.add("components/shop_ranking/engine/fusion/best_seller.py", METHOD)
    assert [len(files) for files in copy.touched()] == [1, 0]
    paths = json.dumps({name: str(path) for name, path in standins.items()})
    work = tmp_path / "run"
    work.mkdir()
    copy.run(USES_METHOD, tiny_world.prepared, copy.folder, paths, work=work)


def test_an_adapter_is_one_new_file(tmp_path):
    copy = Copy(tmp_path / "copy")
    copy.add("components/shop_ranking/data_ingestion/adapters/tea_shop.py", ADAPTER)
    assert [len(files) for files in copy.touched()] == [1, 0]
    copy.run(USES_ADAPTER, work=tmp_path)
