"""Rows 1, 4, 5, 6 and 7 on a sample of 1% of the public data, where it is at hand."""

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality import __main__ as runner
from benchmarks.quality.fashion import row as fashion
from benchmarks.quality.fashion.measures import neighbours, recalls, ridge_map
from benchmarks.quality.fashion.reading import Photographs
from benchmarks.quality.next_item import row as next_item
from benchmarks.quality.rows import Task
from benchmarks.quality.search import row as search
from benchmarks.quality.search import tuning
from benchmarks.quality.tuning import peft, soups

pytestmark = pytest.mark.long  # rows are measured whole

DATA = Path(os.environ.get("SHOPFUSION_BENCHMARK_DATA", "../shared/data"))
BEAUTY = DATA / "beauty" / "Beauty.txt.gz"


def needs(name: str) -> pytest.MarkDecorator:
    absent = runner.absent_files(name, DATA)
    return pytest.mark.skipif(bool(absent), reason=f"no {', '.join(absent)} in {DATA}")


@pytest.mark.skipif(not BEAUTY.exists(), reason=f"no {BEAUTY}")
def test_next_items() -> None:
    report = next_item.run(Task(BEAUTY, 0.01, 0))
    assert "Next item, Beauty: 223 shoppers" in report.title
    ndcg, recall, cost = report.tables
    names = {"sequence-kNN", "behaviour tower", "EASE with recency", "fused: all signals"}
    assert names < {cells[0] for cells in ndcg.rows}
    assert len(ndcg.rows) == len(recall.rows) == len(cost.rows)
    for cells in (*ndcg.rows, *recall.rows):
        low, high = map(float, cells[-1].split("[")[1].rstrip("]").split(","))
        assert 0 <= low <= float(cells[-1].split()[0]) <= high < 0.5


@needs("search")
def test_queries_of_a_shop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "STEPS", 20)
    report = search.run(Task(DATA, 0.01, 0))
    encoders, quality = report.tables
    assert [cells[0] for cells in encoders.rows][:2] == ["PyTorch, fp32", "ONNX, fp32"]
    lines = {cells[0]: cells for cells in quality.rows}
    assert {"BM25, title", "reciprocal rank fusion"} < set(lines)
    assert float(lines["BM25, title"][1].split()[0]) > 0.5  # few products stand in the way
    assert "[" in lines["BM25, title"][3]
    assert "[" in lines["BM25, title"][4]


def test_recall_of_the_own_row() -> None:
    vectors = np.eye(12, dtype=np.float32)
    assert recalls(vectors, vectors)[1].mean() == 1.0
    assert recalls(vectors, np.roll(vectors, 1, axis=0) + 0.5 * vectors)[1].mean() == 0.0


def photographs(labels: dict[str, np.ndarray], parts: tuple[int, int, int]) -> Photographs:
    count = sum(parts)
    rows = np.split(np.arange(count), np.cumsum(parts)[:-1])
    part = dict(zip(("train", "validation", "test"), rows, strict=True))
    return Photographs([b""] * count, [""] * count, labels, part)


def test_the_linear_map_finds_the_map_that_was_drawn() -> None:
    rng = np.random.default_rng(0)
    products = photographs({}, (200, 40, 60))
    from_NW = rng.normal(size=(300, 8)).astype(np.float32)
    from_NW /= np.linalg.norm(from_NW, axis=1, keepdims=True)
    rows = products.part["train"]
    from_NW -= from_NW[rows].mean(0)
    drawn = rng.normal(size=(8, 8)).astype(np.float32)
    to_NF = from_NW @ np.linalg.qr(drawn)[0].astype(np.float32)  # a rotation keeps unit rows
    mapped = ridge_map(from_NW, to_NF, products)[0]
    unit = to_NF / np.linalg.norm(to_NF, axis=1, keepdims=True)
    test = products.part["test"]
    assert (mapped[test] * unit[test]).sum(1).min() > 0.99
    assert recalls(mapped[test], unit[test])[1].mean() == 1.0
    shuffled = to_NF[rng.permutation(300)]  # nothing to learn
    lost = ridge_map(from_NW, shuffled, products)[0]
    assert recalls(lost[test], shuffled[test])[1].mean() < 0.2


def test_neighbours_are_training_products_and_unlabelled_ones_are_not_asked() -> None:
    label = np.array([0, 1, 2, 0, 1, 1, -1])
    vectors = np.array([[1, 0], [0, 2], [-1, 0], [9, 1], [0.1, 1], [-3, 0.1], [0, 1]], np.float32)
    learnt, test = np.arange(3), np.arange(3, 7)
    hits = neighbours(vectors, label, learnt, test)
    assert hits.tolist() == [1.0, 1.0, 0.0]  # the third lies nearest to a 2


@needs("fashion")
def test_pictures_and_names() -> None:
    report = fashion.run(Task(DATA, 0.01, 0))
    assert [cells[0] for cells in report.tables[0].rows] == ["frozen backbone", "image tower"]
    assert len(report.tables[1].rows) == 2 * 5


@needs("peft")
def test_ways_of_tuning() -> None:
    report = peft.run(Task(DATA, 0.01, 0))
    lines = {cells[0]: cells for cells in report.tables[0].rows}
    trained = {name: int(cells[3].replace(",", "")) for name, cells in lines.items()}
    assert trained["frozen, head"] < trained["LoRA"] < trained["AdaLoRA"]
    assert trained["AdaLoRA"] < 0.02 * trained["full fine-tuning"]


@needs("soups")
def test_soups_and_their_refusal() -> None:
    report = soups.run(Task(DATA, 0.01, 0))
    names = [cells[0] for cells in report.tables[0].rows]
    assert {"uniform soup of all", "greedy soup"} < set(names)
    assert any("common start" in note for note in report.notes)
    lines = report.tables[1].rows
    members = len(soups.RATES) + 1
    assert len(lines) == members * (members - 1) / 2
    losses = np.array([[float(cell) for cell in cells[2:7]] for cells in lines])
    assert losses.shape[1] == len(soups.ALPHAS)
    assert np.isfinite(losses).all()
    barrier = {cells[1]: float(cells[-1]) for cells in lines if cells[0].endswith("0.0002")}
    assert barrier[f"{soups.FAR} {soups.FAR_RATE:g}"] > 0 >= barrier["fine-tune, rate 0.0004"]


def test_a_barrier_is_what_stands_above_the_straight_line() -> None:
    assert soups.barrier_of([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(0.0)
    assert soups.barrier_of([1.0, 0.5, 0.4, 0.5, 1.0]) == pytest.approx(0.0)
    assert soups.barrier_of([1.0, 1.2, 4.0, 1.8, 2.0]) == pytest.approx(2.5)
