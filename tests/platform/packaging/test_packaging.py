"""What a package holds, and that its digest knows every change."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pytest

from components.platform.errors import DataError, ModelError
from components.platform.files import read_table, write_table
from components.platform.packaging.packaging import content_digest, reachable_files
from components.shop_ranking.model_registration.packages import (
    RANKER_LOADER,
    TOWER_LOADER,
    ranker_package,
    tower_package,
)
from components.shop_ranking.model_registration.provenance import provenance, rows_digest
from components.shop_ranking.params import Params
from tests.shop_ranking.model_registration.handmade import ITEM_IDS, USERS, write_run


@pytest.fixture
def prepared(tmp_path):
    write_run(tmp_path)
    return tmp_path / "data/prepared"


def digest_of_text_tower(folder):
    scratch = folder / "scratch" / str(len(list(folder.glob("scratch/*"))))
    return content_digest(tower_package(folder / "models/text", folder / "data/prepared", scratch))


def test_code_that_travels_reaches_no_vendor_and_no_other_stage():
    for loader in (RANKER_LOADER, TOWER_LOADER):
        names = {path.stem for path in reachable_files([loader])}
        assert {"errors", "__init__", loader.rsplit(".", 1)[1]} <= names
        assert names.isdisjoint({"tracking", "storage", "component", "packaging"})


def test_digest_is_of_the_content_alone(prepared, tmp_path):
    first = digest_of_text_tower(tmp_path)
    assert digest_of_text_tower(tmp_path) == first
    vectors = tmp_path / "models/text/test/item_vectors.npy"
    changed = np.load(vectors)
    changed[0, 0] += 1
    np.save(vectors, changed)
    assert digest_of_text_tower(tmp_path) != first


def test_digest_knows_the_code_a_model_runs(prepared, tmp_path, monkeypatch):
    package = tower_package(tmp_path / "models/text", prepared, tmp_path / "scratch")
    before = content_digest(package)
    monkeypatch.setattr(
        "components.platform.packaging.packaging.reachable_files",
        lambda modules: reachable_files(modules) | reachable_files([RANKER_LOADER]),
    )
    assert content_digest(package) != before


def test_incomplete_inputs_are_named(prepared, tmp_path):
    (tmp_path / "models/text/test/item_vectors.npy").unlink()
    with pytest.raises(ModelError, match=r"test/item_vectors\.npy"):
        tower_package(tmp_path / "models/text", prepared, tmp_path / "scratch")
    with pytest.raises(DataError, match=r"chosen\.json"):
        ranker_package(tmp_path / "nowhere", prepared, tmp_path / "scratch")
    shutil.rmtree(tmp_path / "models/fused/state")
    with pytest.raises(ModelError, match="run fusion_training again"):
        ranker_package(tmp_path / "models/fused", prepared, tmp_path / "scratch")
    (prepared / "cuts.json").write_text("[]")
    with pytest.raises(DataError, match=r"cuts\.json"):
        tower_package(tmp_path / "models/image", prepared, tmp_path / "scratch")


def test_rows_digest_follows_ids_not_row_numbers(prepared):
    before = rows_digest(prepared, "test")
    order = np.random.default_rng(0).permutation(USERS)
    users = read_table(prepared / "users.parquet")["user_id"]
    write_table(
        pa.table({"user_index": np.arange(USERS, dtype=np.int32), "user_id": users.take(order)}),
        prepared / "users.parquet",
    )
    targets = prepared / "cuts/test/targets.parquet"
    moved = read_table(targets).to_pandas()
    moved["user_index"] = np.argsort(order)[moved["user_index"]]
    write_table(pa.Table.from_pandas(moved, preserve_index=False), targets)
    assert rows_digest(prepared, "test") == before
    moved.loc[0, "item_index"] += 1
    write_table(pa.Table.from_pandas(moved, preserve_index=False), targets)
    assert rows_digest(prepared, "test") != before


def test_rows_digest_follows_the_catalogue(prepared):
    before = rows_digest(prepared, "test")
    eligible = np.arange(len(ITEM_IDS)) != 5
    write_table(
        pa.table({"item_index": np.arange(len(ITEM_IDS), dtype=np.int32), "eligible": eligible}),
        prepared / "cuts/test/item_stats.parquet",
    )
    assert rows_digest(prepared, "test") != before


def test_tags_take_pictures_and_simulation_from_ingestion(prepared, tmp_path):
    account = {"dataset": "simulated-shop", "simulated": True, "images": "photographs"}
    (tmp_path / "data/tables/ingestion.json").write_text(json.dumps(account))
    tags = provenance(Params(), tmp_path / "data/tables", prepared)
    assert (tags["simulated"], tags["pictures"]) == ("true", "photographs")
    (tmp_path / "data/tables/ingestion.json").unlink()
    with pytest.raises(DataError, match=r"ingestion\.json"):
        provenance(Params(), tmp_path / "data/tables", prepared)
