import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from components.platform.encoders.text import TextTower
from components.platform.errors import ModelError
from components.platform.files import read_table
from components.shop_ranking.params import Params
from components.shop_ranking.text_pretraining.component import run
from tests.content import (
    altered,
    correlations,
    killed_and_resumed,
    logged,
    run_in,
    with_another_future,
)
from tests.world import TinyWorld, tiny_params

SMALL = {"dim": 32, "batch_size": 16, "max_steps": 12, "projection_steps": 60, "rank": 4}


def small(**changes: object) -> Params:
    return tiny_params(text={**SMALL, **changes})


@pytest.fixture(scope="module")
def tower(tiny_world: TinyWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_in(tmp_path_factory.mktemp("text"), run, small(), tiny_world.prepared)


@pytest.fixture(scope="module")
def adalora(tiny_world: TinyWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adalora")
    return run_in(folder, run, small(adapter="adalora"), tiny_world.prepared)


def vectors(tower: Path, kind: str, cut: str = "test") -> np.ndarray:
    return np.load(tower / cut / f"{kind}_vectors.npy")


@pytest.mark.parametrize("made", ["tower", "adalora"])
def test_finds_what_only_the_text_says(
    made: str, tiny_world: TinyWorld, request: pytest.FixtureRequest
) -> None:
    share = correlations(request.getfixturevalue(made), tiny_world)
    assert share["text"] > 0.25
    assert abs(share["picture"]) < 0.1


def test_mlflow_has_the_curves_and_the_throughput(tower: Path) -> None:
    curve = logged(tower, "encoder_loss")
    assert len(curve) == json.loads((tower / "tower.json").read_text())["steps"] == 12
    assert np.isfinite(curve).all()
    rates = logged(tower, "encoder_samples_per_second")
    assert len(rates) == 12
    assert min(rates) > 0
    projection = logged(tower, "projection_loss")
    assert np.mean(projection[-10:]) < np.mean(projection[:10])
    assert logged(tower, "texts_per_second")[0] > 0


def test_adalora_takes_rank_away_where_it_matters_least(adalora: Path) -> None:
    config = json.loads((adalora / "adapter" / "adapter_config.json").read_text())
    kept = [sum(ranks) for ranks in config["rank_pattern"].values()]
    assert sum(kept) == SMALL["rank"] * len(kept) < config["init_r"] * len(kept)
    assert len(set(kept)) > 1


def test_what_happens_after_the_first_cut_changes_nothing_before(
    tower: Path, tiny_world: TinyWorld, tmp_path: Path
) -> None:
    prepared = with_another_future(tiny_world, tmp_path / "prepared")
    other = run_in(tmp_path / "run", run, small(), prepared)
    for kind in ("item", "user"):
        np.testing.assert_array_equal(vectors(other, kind, "fit_1"), vectors(tower, kind, "fit_1"))
    np.testing.assert_array_equal(vectors(other, "item"), vectors(tower, "item"))
    assert not np.array_equal(vectors(other, "user"), vectors(tower, "user"), equal_nan=True)


def test_every_cut_has_unit_vectors_and_nan_where_text_is_missing(
    tower: Path, tiny_world: TinyWorld
) -> None:
    texts = read_table(tiny_world.prepared / "items.parquet", ["text"])["text"].to_pylist()
    missing = np.array([not text for text in texts])
    for cut in json.loads((tiny_world.prepared / "cuts.json").read_text()):
        items, users = vectors(tower, "item", cut["name"]), vectors(tower, "user", cut["name"])
        assert items.dtype == users.dtype == np.float32
        assert items.shape == (len(texts), 32)
        np.testing.assert_array_equal(np.isnan(items).any(axis=1), missing)
        np.testing.assert_allclose(np.linalg.norm(items[~missing], axis=1), 1, atol=1e-5)
        some = ~np.isnan(users).any(axis=1)
        np.testing.assert_allclose(np.linalg.norm(users[some], axis=1), 1, atol=1e-5)
    description = json.loads((tower / "tower.json").read_text())
    assert description["items_without_vector"] == missing.sum()
    assert description["status"] == "ready"
    assert 0 < description["parameters"]["base"]["trainable"] < 200_000


def test_loaded_tower_encodes_as_the_stage_did(tower: Path, tiny_world: TinyWorld) -> None:
    texts = read_table(tiny_world.prepared / "items.parquet", ["text"])["text"].to_pylist()
    rows = [row for row, text in enumerate(texts) if text][:20]
    again = TextTower.load(tower).encode([texts[row] for row in rows])
    np.testing.assert_allclose(again, vectors(tower, "item")[rows], atol=0.03)  # bfloat16 base


def test_reuse_encodes_without_training(tower: Path, tiny_world: TinyWorld, tmp_path: Path) -> None:
    again = run_in(tmp_path, run, small(reuse=str(tower)), tiny_world.prepared)
    np.testing.assert_allclose(vectors(again, "item"), vectors(tower, "item"), atol=0.03)
    assert json.loads((again / "tower.json").read_text())["encoder"] == f"reused: {tower}"
    assert TextTower.load(again).encode(["mint tea"]).shape == (1, 32)


def test_reuse_of_nothing_is_refused(tiny_world: TinyWorld, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"trained tower.*no tower\.json"):
        run_in(tmp_path, run, small(reuse=str(tmp_path / "nowhere")), tiny_world.prepared)
    assert not (tmp_path / "tower").exists()


def test_no_text_at_all_is_no_failure(tiny_world: TinyWorld, tmp_path: Path) -> None:
    count = pq.read_metadata(tiny_world.prepared / "items.parquet").num_rows
    prepared = altered(tiny_world, tmp_path / "prepared", text=[None, " "] * (count // 2))
    tower = run_in(tmp_path / "run", run, small(), prepared)
    assert json.loads((tower / "tower.json").read_text())["status"] == "no data"
    assert np.isnan(vectors(tower, "item")).all()
    assert np.isnan(vectors(tower, "user")).all()


def test_ready_made_vectors_are_used_instead(tiny_world: TinyWorld, tmp_path: Path) -> None:
    count = pq.read_metadata(tiny_world.prepared / "items.parquet").num_rows
    groups = np.random.default_rng(0).integers(0, 4, count)
    ready = [list(np.eye(4)[group] + 5.0) for group in groups]
    ready[3] = None
    prepared = altered(tiny_world, tmp_path / "prepared", text_embedding=ready)
    items = vectors(run_in(tmp_path / "run", run, small(), prepared), "item")
    assert items.shape == (count, 4)
    assert np.isnan(items[3]).all()
    kept = np.delete(np.arange(count), 3)
    close = items[kept] @ items[kept].T > 0.9
    np.testing.assert_array_equal(close, groups[kept][:, None] == groups[kept])


@pytest.mark.parametrize("adapter", ["adalora", "none", "frozen"])
@pytest.mark.long
def test_other_ways_to_adapt(
    adapter: str, tower: Path, tiny_world: TinyWorld, tmp_path: Path
) -> None:
    params = small(adapter=adapter, mlm_weight=0.1, max_steps=6, projection_steps=5)
    made = run_in(tmp_path, run, params, tiny_world.prepared)
    texts = read_table(tiny_world.prepared / "items.parquet", ["text"])["text"].to_pylist()
    rows = [row for row, text in enumerate(texts) if text][:8]
    again = TextTower.load(made).encode([texts[row] for row in rows])
    np.testing.assert_allclose(again, vectors(made, "item")[rows], atol=0.03)
    trained = json.loads((made / "tower.json").read_text())["parameters"]["base"]
    assert (trained["trainable"] == 0) == (adapter == "frozen")
    assert (trained["trainable"] == trained["total"]) == (adapter == "none")


@pytest.mark.long
def test_goes_on_after_kill_9(tower: Path, tiny_world: TinyWorld, tmp_path: Path) -> None:
    made = killed_and_resumed("text_pretraining", small(), tiny_world.prepared, tmp_path)
    np.testing.assert_allclose(vectors(made, "item"), vectors(tower, "item"), atol=1e-4)


@pytest.mark.long
def test_adalora_goes_on_after_kill_9(adalora: Path, tiny_world: TinyWorld, tmp_path: Path) -> None:
    params = small(adapter="adalora")
    made = killed_and_resumed("text_pretraining", params, tiny_world.prepared, tmp_path, step=4)
    np.testing.assert_allclose(vectors(made, "item"), vectors(adalora, "item"), atol=1e-4)


def test_a_start_goes_on_from_the_tower_with_fewer_steps(
    tower: Path, tiny_world: TinyWorld, tmp_path: Path
) -> None:
    start = small(start_from=str(tower), start_share=0.25)
    warm = run_in(tmp_path / "warm", run, start, tiny_world.prepared)
    about = [json.loads((folder / "tower.json").read_text()) for folder in (tower, warm)]
    assert (about[0]["steps"], about[1]["steps"]) == (12, 3)
    assert about[1]["loss"] < about[0]["loss"]
    assert about[1]["trained_until"] == about[0]["trained_until"]
    close = (vectors(tower, "item") * vectors(warm, "item")).sum(axis=1)
    assert np.nanmedian(close) > 0.8  # not another space


def test_a_start_that_saw_the_future_or_fits_not_is_refused(
    tower: Path, tiny_world: TinyWorld, tmp_path: Path
) -> None:
    late = tmp_path / "late"
    shutil.copytree(tower, late)
    about = json.loads((late / "tower.json").read_text())
    (late / "tower.json").write_text(json.dumps(about | {"trained_until": "2999-01-01"}))
    with pytest.raises(ModelError, match="trained until 2999-01-01"):
        run_in(tmp_path / "one", run, small(start_from=str(late)), tiny_world.prepared)
    for other in ({"dim": 16}, {"adapter": "adalora"}):
        wrong = small(start_from=str(tower), **other)
        with pytest.raises(ModelError, match=r"set text\.start_from to null"):
            run_in(tmp_path / "two", run, wrong, tiny_world.prepared)
