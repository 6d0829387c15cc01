"""Rows 8 and 10 on the tiny world, whose towers hold the truth."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality.rows import Task
from benchmarks.quality.shop import cold, journey, missing
from components.platform.settings import settings
from components.shop_ranking import application as shop
from components.shop_ranking.baseline_training import component as baseline_training
from components.shop_ranking.fusion_training import component as fusion_training
from components.shop_ranking.params import load_params
from tests.registries import new_registry
from tests.world import TinyWorld

pytestmark = pytest.mark.long  # rows are measured whole


@pytest.fixture
def run_folder(
    tiny_world: TinyWorld, standins: dict[str, Path], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:  # fmt: skip
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "prepared").symlink_to(tiny_world.prepared)
    (tmp_path / "models").symlink_to(standins["text"].parent)
    values = tiny_world.params.model_dump(mode="json", exclude_defaults=True)
    values["behaviour"] = {"dim": 16, "width": 16, "epochs": 3}
    (tmp_path / "params.yaml").write_text(json.dumps(values))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHOPFUSION_MLFLOW_URI", new_registry(tmp_path))
    settings.cache_clear()
    return tmp_path


def test_quality_falls_as_texts_go_missing(run_folder: Path) -> None:
    report = missing.run(Task(run_folder, 1.0, 0))
    assert len(report.tables) == 2
    for table in report.tables:
        value = {(cells[0], cells[1]): float(cells[2].split()[0]) for cells in table.rows}
        assert len(value) == 3 * len(missing.SHARES)
        assert value["image", "0%"] == value["text", "0%"]
        assert value["image and text", "100%"] < value["image and text", "0%"]


def test_rows_take_a_sample_of_the_shoppers(run_folder: Path) -> None:
    """As the runner's --sample asks; what is measured is noise, so nothing is said of it."""
    task = Task(run_folder, 0.3, 0)
    whole, part = (cold.read_without_cold(Task(run_folder, share, 0)) for share in (1.0, 0.3))
    assert 30 <= len(part.user) < 0.5 * len(whole.user)
    assert len(part.cold) == len(whole.cold)
    report = cold.run(task)
    assert "popularity in category" in {cells[0] for cells in report.tables[0].rows}
    report = missing.run(task)
    assert [len(table.rows) for table in report.tables] == [3 * len(missing.SHARES)] * 2


def test_cold_items_are_in_no_history_and_content_ranks_them(run_folder: Path) -> None:
    task = Task(run_folder, 1.0, 0)
    shop = cold.read_without_cold(task)
    assert not np.isin(shop.histories.item, shop.cold).any()
    assert (np.diff(shop.histories.start) > 0).all()
    report = cold.run(task)
    value = {cells[0]: float(cells[1].split()[0]) for cells in report.tables[0].rows}
    assert value["text tower"] > value["behaviour tower, ids alone"]


def test_the_main_job_is_measured_over_seeds_against_its_baselines(run_folder: Path) -> None:
    params, models = load_params(), run_folder / "models"
    own = {name: models / name for name in ("behaviour", "text", "image", "baselines")}
    with_baselines = run_folder / "own"
    with_baselines.mkdir()
    for name in ("behaviour", "text", "image"):
        (with_baselines / name).symlink_to(own[name].resolve())
    models.unlink()
    with_baselines.rename(models)
    baseline_training.run(params, prepared=shop.PREPARED, baselines=shop.BASELINES)
    fusion_training.run(
        params, prepared=shop.PREPARED, **shop.TOWER_FOLDERS,
        baselines=shop.BASELINES, fused=shop.FUSED,
        methods=["weighted-average", "stacking"],
    )  # fmt: skip
    report = journey.run(Task(run_folder, 0.5, 0))
    seeds, paired, ablation = report.tables
    lines = {cells[0]: cells for cells in seeds.rows}
    assert {"stacking", "weighted-average", "lambdamart", "ease", "behaviour"} < set(lines)
    assert lines["ease"][3] == ""  # baselines are those of the finished run
    assert not lines["behaviour"][3].endswith("± .0000")
    assert {(cells[1], cells[2]) for cells in paired.rows} >= {
        ("lambdamart", "all"),
        ("ease", "novel"),
    }
    assert ablation.rows[0][3:] == ["", ""]
    for cells in ablation.rows[1:]:  # paired: the difference of the means, and its interval
        difference = float(cells[3].split()[0])
        assert difference == pytest.approx(float(cells[1]) - float(ablation.rows[0][1]), abs=2e-4)
        assert cells[4].endswith("]")
    value = {cells[0]: float(cells[1]) for cells in ablation.rows}
    assert value["behaviour and image and text"] < value["nothing"]


def test_semantic_ids_group_what_is_alike() -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(8, 16)) * 10
    vectors = np.repeat(centres, 40, axis=0) + rng.normal(size=(320, 16))
    vectors[5] = np.nan
    words = cold.semantic_ids(vectors.astype(np.float32), np.ones(320, bool), 0)
    assert words[5] == ""
    first = [word.split()[0] for word in words if word]
    assert all(word.startswith("a") for word in first)
    groups = [set(first[40 * k : 40 * k + 39]) for k in range(1, 8)]
    shared = set.union(*groups)
    assert sum(len(group) for group in groups) == len(shared)  # no code spans two centres
