"""Row 1 on a small file of the same layout whose shoppers walk a circle."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality.next_item import methods, row
from benchmarks.quality.next_item.leave_one_out import K, LeaveOneOut, ranks, read_orders
from benchmarks.quality.rows import Task
from components.platform.errors import DataError
from components.platform.metrics.ranking import shopper_metrics
from components.shop_ranking.engine.towers.item_orders import Orders

pytestmark = pytest.mark.long  # rows are measured whole

ITEMS, SHOPPERS = 60, 150


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    lines = []
    for shopper in range(SHOPPERS):
        start, length = rng.integers(ITEMS), rng.integers(4, 9)
        walk = (start + np.arange(length)) % ITEMS + 1
        lines.append(" ".join(map(str, [shopper + 1, *walk])))
    path = tmp_path_factory.mktemp("data") / "beauty"
    path.mkdir()
    with gzip.open(path / "Circle.txt.gz", "wt") as file:
        file.write("\n".join(lines) + "\n")
    return path.parent


def test_ranks_equal_those_of_sorted_lists_and_the_platforms_metrics() -> None:
    rng = np.random.default_rng(0)
    lists = [list(rng.choice(30, 6, replace=False)) for _ in range(40)]
    data = LeaveOneOut(Orders.of_lists(lists, 30))
    table = np.round(rng.normal(size=(40, 30)), 1).astype(np.float32)  # with ties
    counts = data.known.counts
    ranked = ranks(lambda histories, rows: table[rows].copy(), data.known, data.test_target, counts)
    for shopper, own in enumerate(lists):
        order = np.lexsort((np.arange(30), -counts, -table[shopper]))
        assert order[ranked.kept[shopper]] == own[-1]
        left = [item for item in order if item not in own[:-1]]
        assert left[ranked.removed[shopper]] == own[-1]
    best = np.stack([np.lexsort((np.arange(30), -counts, -row))[:K] for row in table])
    wanted = np.zeros((40, 30), bool)
    wanted[np.arange(40), data.test_target] = True
    expected = shopper_metrics(best.astype(np.int32), wanted)
    assert ranked.ndcg("kept") == pytest.approx(expected["ndcg"])
    assert ranked.recall("kept") == pytest.approx(expected["recall"])


def test_validation_knows_nothing_of_the_last_two_items() -> None:
    data = LeaveOneOut(Orders.of_lists([[0, 1, 2, 3], [4, 5, 6]], 7))
    assert data.train.item.tolist() == [0, 1, 4]
    assert data.known.item.tolist() == [0, 1, 2, 4, 5]
    assert data.validation_target.tolist() == [2, 5]
    assert data.test_target.tolist() == [3, 6]


def test_the_row_measures_every_method_in_four_conventions(folder: Path) -> None:
    report = row.run(Task(folder, 1.0, 0))
    ndcg = {cells[0]: cells[1:] for cells in report.tables[0].rows}
    assert {"sequence-kNN", "Markov chain", "ItemKNN", "ALS", "EASE with recency"} < set(ndcg)
    assert "behaviour tower" in ndcg
    assert all(len(cells) == 4 for cells in ndcg.values())
    for name in ("sequence-kNN", "Markov chain", "behaviour tower", "fused: all signals"):
        assert float(ndcg[name][-1].split()[0]) > 0.8, name  # the circle is easy
    assert float(ndcg["ALS"][0].split()[0]) < float(ndcg["ALS"][2].split()[0])  # removed helps


def test_two_files_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"one \*.txt.gz"):
        read_orders(tmp_path, 1.0, 0)
    assert len(read_orders(folder / "beauty", 0.5, 0).whole) == 75
    assert len(read_orders(folder / "beauty" / "Circle.txt.gz", 0.5, 0).whole) == 75
    for name in ("One.txt", "Other.txt"):
        (tmp_path / name).write_text("1 2 3 4\n")
    with pytest.raises(DataError, match=r"found 2; name the one file"):
        read_orders(tmp_path, 1.0, 0)


def test_numbers_may_have_gaps_and_lines_may_be_empty(tmp_path: Path) -> None:
    file = tmp_path / "Gaps.txt"
    file.write_text("\n".join(f"{n} 900 7 {10**12}\n\n" for n in range(30)))
    whole = read_orders(file, 1.0, 0).whole
    assert (len(whole), whole.items) == (30, 3)
    assert whole.item[:3].tolist() == [1, 0, 2]
    assert len(read_orders(file, 0.01, 0).whole) == 30  # a sample has some shoppers, if there are


def test_ease_is_left_out_where_its_matrix_has_no_room_and_the_row_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert methods.too_large(30_000, 64 * 2**30) is None
    assert methods.too_large(100_000, 64 * 2**30) == (
        "EASE: not run, 100,000 items need 149 GB and 64 GB are free."
    )
    monkeypatch.setattr(methods, "COPIES_OF_EASE", 2**50)
    file = tmp_path / "Three items each.txt"  # and so one to learn from: the tower has no example
    file.write_text("\n".join(f"{n} {n % 7} 20 {n % 5 + 30}" for n in range(25)))
    report = row.run(Task(file, 1.0, 0))
    assert "Three items each: 25 shoppers" in report.title
    assert "EASE with recency" not in {cells[0] for cells in report.tables[0].rows}
    assert any(note.startswith("EASE: not run, 13 items need") for note in report.notes)
