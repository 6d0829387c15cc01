"""Row 4 on a small catalogue of the same layout."""

import csv
import gzip
import json
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality.rows import Task
from benchmarks.quality.search import row, tuning
from benchmarks.quality.search.learning import linear, out_of_fold, trees
from benchmarks.quality.search.reading import Shop, read_shop
from benchmarks.quality.search.signals import Asked
from benchmarks.quality.search.tuning import pseudo_queries
from components.shop_ranking.engine.towers.list_stacking import Candidates

KINDS = ("laptop", "laptop bag", "headset", "camera", "tripod", "printer", "toner", "keyboard")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "chorus"
    path.mkdir()
    products = [
        {"id": str(100 * k + n), "title": f"Maker{n % 3} M{k}{n} {kind} black",
         "supplier": f"Maker{n % 3}", "name": f"M{k}{n}", "price": 10 * (k + 1),
         "short_description": f"a good {kind}", "attr_t_colour": "black"}
        for k, kind in enumerate(KINDS) for n in range(8)
    ]  # fmt: skip
    with gzip.open(path / "products.jsonl.gz", "wt") as file:
        file.write("\n".join(map(json.dumps, products)) + "\n")
    with (path / "judgments.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["query", "docid", "rating"])
        for k, kind in enumerate(KINDS):
            lines.writerows([kind, str(100 * k + n), 3] for n in range(6))
            lines.writerows([kind, str(100 * ((k + 1) % 8) + n), 0] for n in range(3))
        lines.writerow(["spaceship", "100", 0])
    return path.parent


def test_the_metric_by_hand() -> None:
    shop = Shop(
        {"title": ["a", "b", "c"]}, np.ones(3, np.float32), ["q", "r"], [{0: 3, 1: 1}, {2: 0}]
    )
    assert shop.ndcg(0, np.array([0, 1, 2])) == pytest.approx(1.0)
    gained = (1 + 7 / np.log2(3)) / (7 + 1 / np.log2(3))
    assert shop.ndcg(0, np.array([1, 0])) == pytest.approx(gained)
    assert shop.ndcg(1, np.array([0])) == 1.0  # nothing to find
    assert shop.relevant().tolist() == [0]


def test_made_up_queries_read_no_judgment(folder: Path) -> None:
    shop = read_shop(folder / "chorus", 1.0, 0)
    pairs = pseudo_queries(shop, 0)
    assert "laptop black" in pairs.texts
    assert "spaceship" not in pairs.texts
    assert pairs.weight.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("learner", [linear, trees])
def test_learnt_fusion_finds_the_telling_feature(learner) -> None:
    rng = np.random.default_rng(0)
    owner = np.repeat(np.arange(40), 30)
    features = rng.normal(size=(1200, 4)).astype(np.float32)
    grade = np.where(features[:, 2] > 1.3, 3, 0)
    asked = Asked([], Candidates(owner, np.tile(np.arange(30), 40), features), grade, 0.0)
    began = time.perf_counter()
    scores, milliseconds = out_of_fold(learner(0), asked, np.arange(40), 0)
    assert 0 < milliseconds < 1000 * (time.perf_counter() - began)  # of a query
    assert not np.isnan(scores).any()
    best = scores.reshape(40, 30).argmax(1) + 30 * np.arange(40)
    assert grade[best].mean() > 2 > 4 * grade.mean()


@pytest.mark.long
def test_the_row_ranks_learns_and_times_encoders(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "STEPS", 2)
    report = row.run(Task(folder, 1.0, 0))
    encoders, quality = report.tables
    assert [cells[0] for cells in encoders.rows] == ["PyTorch, fp32", "ONNX, fp32", "ONNX, int8"]
    near = [float(cells[2]) for cells in encoders.rows]
    assert min(near[:2]) > 0.999
    assert near[2] > 0.9
    ndcg = {cells[0]: float(cells[1].split()[0]) for cells in quality.rows}
    assert ndcg["BM25, title"] > 0.6
    assert ndcg["learnt: linear"] > 0.6
    assert "MiniLM tuned on the catalogue" in ndcg
