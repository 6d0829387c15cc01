import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.platform.encoders.image import ImageTower
from components.platform.errors import ModelError
from components.platform.files import read_table
from components.shop_ranking.image_pretraining.component import run
from components.shop_ranking.params import Params
from tests.content import (
    altered,
    correlations,
    killed_and_resumed,
    logged,
    run_in,
    with_another_future,
)
from tests.platform.encoders.test_image_base import save_vit
from tests.world import TinyWorld, tiny_params

SMALL = {"dim": 32, "batch_size": 16, "max_steps": 12, "size": 64, "trained_blocks": 2}


def small(**changes: object) -> Params:
    return tiny_params(image={**SMALL, **changes})


@pytest.fixture(scope="module")
def tower(tiny_world: TinyWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_in(tmp_path_factory.mktemp("image"), run, small(), tiny_world.prepared)


def vectors(tower: Path, kind: str, cut: str = "test") -> np.ndarray:
    return np.load(tower / cut / f"{kind}_vectors.npy")


def with_image(prepared: Path) -> np.ndarray:
    return read_table(prepared / "items.parquet", ["has_image"])["has_image"].to_numpy()


def test_finds_what_only_the_picture_shows(tower: Path, tiny_world: TinyWorld) -> None:
    share = correlations(tower, tiny_world)
    assert share["picture"] > 0.15
    assert share["picture"] > share["text"] + 0.1


def test_mlflow_has_the_curves_and_the_throughput(tower: Path) -> None:
    for metric in ("encoder_loss", "encoder_views", "encoder_alignment"):
        curve = logged(tower, metric)
        assert len(curve) == json.loads((tower / "tower.json").read_text())["steps"]
        assert np.isfinite(curve).all()
    assert min(logged(tower, "encoder_samples_per_second")) > 0
    assert logged(tower, "pictures_per_second")[0] > 0


def test_what_happens_after_the_first_cut_changes_nothing_before(
    tower: Path, tiny_world: TinyWorld, tmp_path: Path
) -> None:
    prepared = with_another_future(tiny_world, tmp_path / "prepared")
    other = run_in(tmp_path / "run", run, small(), prepared)
    for kind in ("item", "user"):
        np.testing.assert_array_equal(vectors(other, kind, "fit_1"), vectors(tower, kind, "fit_1"))
    np.testing.assert_array_equal(vectors(other, "item"), vectors(tower, "item"))
    assert not np.array_equal(vectors(other, "user"), vectors(tower, "user"), equal_nan=True)


def test_a_folder_of_a_vision_transformer_is_a_base(tiny_world: TinyWorld, tmp_path: Path) -> None:
    vit = save_vit(tmp_path / "vit")
    params = small(base_model=str(vit), dim=16, max_steps=3, size=32, trained_blocks=1)
    made = run_in(tmp_path / "run", run, params, tiny_world.prepared)
    description = json.loads((made / "tower.json").read_text())
    assert description["encoder"] == str(vit)
    assert description["parameters"]["base"]["trainable"] > 0
    np.testing.assert_array_equal(
        np.isnan(vectors(made, "item")).any(axis=1), ~with_image(tiny_world.prepared)
    )


def test_every_cut_has_unit_vectors_and_nan_where_the_picture_is_missing(
    tower: Path, tiny_world: TinyWorld
) -> None:
    pictured = with_image(tiny_world.prepared)
    for cut in json.loads((tiny_world.prepared / "cuts.json").read_text()):
        items, users = vectors(tower, "item", cut["name"]), vectors(tower, "user", cut["name"])
        assert items.dtype == users.dtype == np.float32
        assert items.shape == (len(pictured), 32)
        np.testing.assert_array_equal(np.isnan(items).any(axis=1), ~pictured)
        np.testing.assert_allclose(np.linalg.norm(items[pictured], axis=1), 1, atol=1e-5)
        some = ~np.isnan(users).any(axis=1)
        np.testing.assert_allclose(np.linalg.norm(users[some], axis=1), 1, atol=1e-5)
    description = json.loads((tower / "tower.json").read_text())
    assert description["items_without_vector"] == (~pictured).sum()
    assert description["status"] == "ready"


def test_reuse_encodes_without_training(tower: Path, tiny_world: TinyWorld, tmp_path: Path) -> None:
    again = run_in(tmp_path, run, small(reuse=str(tower)), tiny_world.prepared)
    np.testing.assert_allclose(vectors(again, "item"), vectors(tower, "item"), atol=0.03)
    assert json.loads((again / "tower.json").read_text())["encoder"] == f"reused: {tower}"
    assert ImageTower.load(again) is not None


def test_reuse_of_nothing_is_refused(tiny_world: TinyWorld, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"trained tower.*no tower\.json"):
        run_in(tmp_path, run, small(reuse=str(tmp_path / "nowhere")), tiny_world.prepared)
    assert not (tmp_path / "tower").exists()


def test_no_picture_at_all_is_no_failure(tiny_world: TinyWorld, tmp_path: Path) -> None:
    prepared = altered(tiny_world, tmp_path / "prepared")
    images = prepared / "images.parquet"
    pq.write_table(pq.read_table(images).slice(0, 0), images)
    tower = run_in(tmp_path / "run", run, small(), prepared)
    assert json.loads((tower / "tower.json").read_text())["status"] == "no data"
    assert np.isnan(vectors(tower, "item")).all()


def test_an_unreadable_picture_is_a_missing_one(tiny_world: TinyWorld, tmp_path: Path) -> None:
    prepared = altered(tiny_world, tmp_path / "prepared")
    table = pq.read_table(prepared / "images.parquet")
    broken = [b"no picture at all", *table["image"].to_pylist()[1:]]
    at = table.schema.get_field_index("image")
    table = table.set_column(at, table.schema.field("image"), pa.array(broken, pa.binary()))
    pq.write_table(table, prepared / "images.parquet")
    made = run_in(tmp_path / "run", run, small(max_steps=2), prepared)
    items = vectors(made, "item")
    assert np.isnan(items[table["item_index"][0].as_py()]).all()
    assert not np.isnan(items[table["item_index"][1].as_py()]).any()


def test_ready_made_vectors_are_used_instead(tiny_world: TinyWorld, tmp_path: Path) -> None:
    count = pq.read_metadata(tiny_world.prepared / "items.parquet").num_rows
    groups = np.random.default_rng(0).integers(0, 4, count)
    ready = [list(np.eye(4)[group] + 5.0) for group in groups]
    ready[3] = None
    prepared = altered(tiny_world, tmp_path / "prepared", image_embedding=ready)
    items = vectors(run_in(tmp_path / "run", run, small(), prepared), "item")
    assert items.shape == (count, 4)
    assert np.isnan(items[3]).all()
    kept = np.delete(np.arange(count), 3)
    close = items[kept] @ items[kept].T > 0.9
    np.testing.assert_array_equal(close, groups[kept][:, None] == groups[kept])


@pytest.mark.long
def test_goes_on_after_kill_9(tower: Path, tiny_world: TinyWorld, tmp_path: Path) -> None:
    made = killed_and_resumed("image_pretraining", small(), tiny_world.prepared, tmp_path)
    np.testing.assert_allclose(vectors(made, "item"), vectors(tower, "item"), atol=1e-3)
