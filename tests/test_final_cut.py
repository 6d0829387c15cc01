"""A final cut: what was tested is registered with all that is known at the data's end."""

import json
from datetime import date, timedelta

import numpy as np
import pytest

from components.platform.files import read_table
from components.platform.tracking import Version
from components.shop_ranking.application import TABLES
from components.shop_ranking.baseline_training import component as baseline_training
from components.shop_ranking.engine.ranker import FusedRanker
from components.shop_ranking.engine.reading import read_cuts, read_states
from components.shop_ranking.engine.test_rows import rows_digest
from components.shop_ranking.fusion_training import component as fusion_training
from components.shop_ranking.model_registration.packages import ranker_package
from components.shop_ranking.model_registration.provenance import provenance
from tests.registries import new_registry
from tests.shop_ranking.engine.standins import write_standins
from tests.world import make_world, tiny_params

PARAMS = tiny_params(preparation={"final_cut": True})


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("final"), PARAMS)


def test_the_cuts_before_it_and_who_is_tested_on_what_stay_as_they_are(world, tiny_world):
    *earlier, final = read_cuts(world.prepared)
    assert earlier == read_cuts(tiny_world.prepared)
    events = read_table(world.path("data_ingestion", "tables") / "events.parquet", ["timestamp"])
    end = max(events["timestamp"].to_pylist()).date() + timedelta(days=1)
    assert (final["role"], date.fromisoformat(final["day"])) == ("final", end)
    assert rows_digest(world.prepared, "test") == rows_digest(tiny_world.prepared, "test")
    folder = world.prepared / "cuts"
    assert read_table(folder / "final/targets.parquet").num_rows == 0
    known = [len(read_table(folder / cut / "user_item.parquet")) for cut in ("test", "final")]
    assert known[1] > known[0]


def test_the_fusion_that_was_tested_is_registered_as_of_it(world, tmp_path, monkeypatch):
    monkeypatch.setenv("SHOPFUSION_MLFLOW_URI", new_registry(tmp_path))
    standins, fused = write_standins(world, tmp_path / "models"), tmp_path / "fused"
    fusion_training.run(
        PARAMS, prepared=world.prepared, fused=fused, methods=["stacking"], **standins
    )
    towers = {name: standins[name] for name in ("behaviour", "text", "image")}
    items, shoppers = read_states(
        world.prepared, "final", towers, standins["baselines"], ["purchase"]
    )
    ranker = FusedRanker.load(fused)
    np.testing.assert_array_equal(ranker.items.numbers, items.numbers)
    np.testing.assert_array_equal(ranker.shoppers.item, shoppers.item)
    assert {path.name for path in (fused / "rankings").iterdir()} == {"validation", "test"}
    final = read_cuts(world.prepared)[-1]["day"]
    shop = ranker_package(fused, world.prepared, tmp_path).folder / "shop"
    assert json.loads((shop / "shop.json").read_text())["as_of"] == f"{final}T00:00:00+00:00"
    tags = provenance(PARAMS, world.folder / TABLES, world.prepared)
    assert tags["test_rows"] == rows_digest(world.prepared, "test")
    assert tags["cut_test"] < tags["cut_final"] == final
    assert Version("ranker", "1", "run", tags).trained_until == date.fromisoformat(final)


def test_baselines_are_not_ranked_where_nobody_is_tested(world, tmp_path, monkeypatch):
    monkeypatch.setenv("SHOPFUSION_MLFLOW_URI", new_registry(tmp_path))
    ranked = [baseline_training.Popularity()]
    monkeypatch.setattr(baseline_training, "every_baseline", lambda params: ranked)
    baseline_training.run(PARAMS, world.prepared, tmp_path / "baselines")
    written = tmp_path / "baselines"
    assert (written / "final/ease_weights.npz").is_file()
    assert {path.name for path in (written / "rankings").iterdir()} == {"validation", "test"}
