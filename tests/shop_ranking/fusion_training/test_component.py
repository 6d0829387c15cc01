import json
import shutil

import numpy as np
import pyarrow as pa
import pytest

from components.platform.errors import DataError
from components.platform.files import read_table, write_table
from components.shop_ranking.engine.feature_states import TOWERS
from components.shop_ranking.engine.fusion import METHODS
from components.shop_ranking.engine.ranker import FusedRanker
from components.shop_ranking.engine.rankings import Rankings
from components.shop_ranking.fusion_training.component import run
from tests.registries import new_registry
from tests.world import QUICK_FUSION, tiny_params

QUICK = tiny_params(fusion=QUICK_FUSION)


@pytest.fixture(scope="module")
def fused(tiny_world, standins, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fused")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOPFUSION_MLFLOW_URI", new_registry(folder))
        run(QUICK, prepared=tiny_world.prepared, fused=folder / "fused", **standins)
    return folder / "fused"


def test_writes_a_ranking_of_everything(fused):
    for cut in ("validation", "test"):
        for name in (*METHODS, *TOWERS):
            ranking = Rankings.load(fused / "rankings" / cut / f"{name}.npz")
            assert len(ranking.users) > 50
            assert (ranking.all[:, 0] >= 0).all()


def test_what_is_wanted_after_the_test_cut_changes_no_ranking(
    fused, tiny_world, standins, tmp_path, monkeypatch
):
    """The same shoppers want other items: only what is measured may change."""
    monkeypatch.setenv("SHOPFUSION_MLFLOW_URI", new_registry(tmp_path))
    shutil.copytree(tiny_world.prepared, tmp_path / "prepared")
    path = tmp_path / "prepared/cuts/test/targets.parquet"
    targets = read_table(path)
    last = read_table(tmp_path / "prepared/items.parquet").num_rows - 1
    other = pa.array(last - targets["item_index"].to_numpy(), pa.int32())
    at = targets.column_names.index("item_index")
    write_table(targets.set_column(at, targets.schema.field(at), other), path)
    methods = [name for name in METHODS if name != "parameter-averaging"]  # its fit is three others
    paths = {"prepared": tmp_path / "prepared", "fused": tmp_path / "fused", **standins}
    run(QUICK, **paths, methods=methods)
    for name in (*methods, *TOWERS):
        ranked, again = (
            Rankings.load(folder / "rankings" / "test" / f"{name}.npz")
            for folder in (fused, tmp_path / "fused")
        )
        np.testing.assert_array_equal(ranked.users, again.users)
        np.testing.assert_array_equal(ranked.all, again.all)
        np.testing.assert_array_equal(ranked.novel, again.novel)


def test_serves_what_it_ranked_offline(fused):
    chosen = json.loads((fused / "chosen.json").read_text())["method"]
    ranker = FusedRanker.load(fused)
    for method in (chosen, "gated-attention"):
        offline = Rankings.load(fused / "rankings" / "test" / f"{method}.npz")
        online = FusedRanker.load(fused, method)
        users = offline.users[:20]
        items = online.rank(online.known(users), 10)[0]
        assert (items == offline.all[:20, :10]).mean() > 0.98
        novel = online.rank(online.known(users), 10, novel=True)[0]
        assert (novel == offline.novel[:20, :10]).mean() > 0.98
    alone = ranker.rank(ranker.known(users[3:4]), 10)[0]
    assert (alone[0] == ranker.rank(ranker.known(users[:8]), 10)[0][3]).mean() > 0.7


def test_serves_strangers(fused):
    ranker = FusedRanker.load(fused)
    items, scores = ranker.rank(ranker.known(np.array([-1, 10**6], np.int32)), 10)
    assert (items >= 0).all()
    assert len(set(items[0])) == 10
    assert (np.diff(scores[0]) <= 0).all()
    np.testing.assert_array_equal(items[0], items[1])
    both = ranker.from_history([np.array([3, 4], np.int32), np.zeros(0, np.int32)])
    with_history, _ = ranker.rank(both, 10)
    np.testing.assert_array_equal(with_history[1], items[0])
    assert with_history[0].tolist() != items[0].tolist()


def test_says_when_there_is_no_fit_cut(tiny_world, standins, tmp_path, monkeypatch):
    monkeypatch.setenv("SHOPFUSION_MLFLOW_URI", new_registry(tmp_path))
    prepared = tmp_path / "prepared"
    prepared.mkdir()
    cuts = json.loads((tiny_world.prepared / "cuts.json").read_text())
    kept = [cut for cut in cuts if cut["role"] != "fit"]
    (prepared / "cuts.json").write_text(json.dumps(kept))
    with pytest.raises(DataError, match=r"preparation\.fit_cuts"):
        run(tiny_params(), prepared=prepared, fused=tmp_path / "fused", **standins)
    assert not (tmp_path / "fused").exists()


def test_a_refresh_fits_one_way_and_registers_it(tiny_world, standins, tmp_path, monkeypatch):
    monkeypatch.setenv("SHOPFUSION_MLFLOW_URI", new_registry(tmp_path))
    params = tiny_params(fusion={"only": "rank-ensemble", "method": "stacking"})
    run(params, prepared=tiny_world.prepared, fused=tmp_path / "fused", **standins)
    assert [name for name in METHODS if (tmp_path / "fused" / name).exists()] == ["rank-ensemble"]
    chosen = json.loads((tmp_path / "fused" / "chosen.json").read_text())
    assert chosen["method"] == "rank-ensemble"
    assert chosen["reason"] == "fusion.only in params.yaml"
