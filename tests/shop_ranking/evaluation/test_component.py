"""The stage on a hand-made shop of four shoppers and six items, where every value is known."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from components.platform.errors import DataError
from components.platform.files import write_json, write_table
from components.shop_ranking.engine.rankings import LENGTH, Rankings
from components.shop_ranking.evaluation import component
from components.shop_ranking.evaluation.leaderboard import print_leaderboard
from components.shop_ranking.params import Params
from tests.stages import lay_out, outputs, refused, run_stage

COLUMNS = "view,slice,model,metric,value,ci_low,ci_high,seconds,is_champion"
DISCOUNT = 1 / np.log2(np.arange(2, 12))


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    prepared, cut = tmp_path / "prepared", tmp_path / "prepared/cuts/test"
    write_table(
        pa.table(
            {
                "item_index": pa.array(range(6), pa.int32()),
                "has_image": [True, True, True, True, True, False],
                "text": ["a", "b", "c", "d", "e", "f"],
            }
        ),
        prepared / "items.parquet",
    )
    write_table(
        pa.table(
            {
                "item_index": pa.array(range(6), pa.int32()),
                "eligible": [True] * 6,
                "sessions": pa.array([50, 20, 10, 5, 3, 2], pa.int32()),
            }
        ),
        cut / "item_stats.parquet",
    )
    users = pa.array([0, 1, 2, 3], pa.int32())
    write_table(
        pa.table({"user_index": users, "sessions": pa.array([20, 20, 2, 20], pa.int32())}),
        cut / "user_stats.parquet",
    )
    write_table(pa.table({"user_index": users}), cut / "sequences.parquet")
    # Shopper 3 has a history and no target, so it is not evaluated.
    write_table(
        pa.table(
            {
                "user_index": pa.array([0, 0, 1, 2], pa.int32()),
                "item_index": pa.array([0, 4, 0, 5], pa.int32()),
                "is_repeat": [True, False, True, False],
            }
        ),
        cut / "targets.parquet",
    )
    save(tmp_path / "baselines", "ease", [[1, 0], [0, 1], [0, 1]], [[1, 4], [1, 2], [5, 1]])
    save(tmp_path / "fused", "stacking", [[0, 4], [0, 1], [5, 0]], [[4, 1], [1, 2], [5, 1]])
    write_json({"method": "stacking"}, tmp_path / "fused/chosen.json")
    return tmp_path


def save(folder: Path, name: str, whole: list[list[int]], novel: list[list[int]]) -> None:
    def pad(rows: list[list[int]]) -> np.ndarray:
        return np.array([row + [-1] * (LENGTH - len(row)) for row in rows], np.int32)

    users = np.arange(len(whole), dtype=np.int32)
    Rankings(users, pad(whole), pad(novel), 1.5).save(folder / f"rankings/test/{name}.npz")


def evaluate(shop: Path, **evaluation: int) -> pd.DataFrame:
    params = Params.model_validate({"evaluation": evaluation})
    names = ("prepared", "baselines", "fused", "champion")
    outputs = {
        "reports": shop / "reports/evaluation",
        "leaderboard": shop / "reports/leaderboard.csv",
        "metrics": shop / "reports/metrics.json",
    }
    component.run(params, **{name: shop / name for name in names}, **outputs)
    return pd.read_csv(shop / "reports/leaderboard.csv")


def test_views_and_slices_by_hand(shop: Path) -> None:
    board = evaluate(shop)
    assert (shop / "reports/leaderboard.csv").read_text().splitlines()[0] == COLUMNS
    value = board.set_index(["view", "slice", "model", "metric"])["value"]
    two = DISCOUNT[:2].sum()
    assert value["all", "all", "stacking", "ndcg@10"] == pytest.approx(1)
    ease = (DISCOUNT[1] / two + 1 + 0) / 3
    assert value["all", "all", "ease", "ndcg@10"] == pytest.approx(ease, abs=1e-6)
    # Repeat: item 0 of shoppers 0 and 1, found second and first by EASE.
    repeat = (DISCOUNT[1] + 1) / 2
    assert value["repeat", "all", "ease", "ndcg@10"] == pytest.approx(repeat, abs=1e-6)
    # Novel: item 4 of shopper 0 (second after removal) and item 5 of shopper 2 (first).
    novel = (DISCOUNT[1] + 1) / 2
    assert value["novel", "all", "ease", "ndcg@10"] == pytest.approx(novel, abs=1e-6)
    # Shopper 2 is the only new one, item 5 the only one without a picture.
    assert value["all", "new shoppers", "ease", "ndcg@10"] == 0
    assert value["novel", "items without picture", "ease", "ndcg@10"] == 1
    # Item 0 alone has half of all sessions: it is the head.
    assert value["all", "head items", "ease", "ndcg@10"] == pytest.approx(repeat, abs=1e-6)
    assert "items without text" not in set(board["slice"])  # nobody wants one
    assert value["all", "all", "stacking", "coverage"] == pytest.approx(4 / 6, abs=1e-6)
    assert set(board.loc[board["is_champion"], "model"]) == {"stacking"}
    assert set(board["seconds"]) == {1.5}


def test_everything_else_is_written(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board = evaluate(shop)
    folder = shop / "reports/evaluation"
    assert (folder / "leaderboard.png").read_bytes().startswith(b"\x89PNG")
    page = (folder / "leaderboard.html").read_text()
    assert "rendered from product attributes" in page
    assert "stacking" in page
    paired = pd.read_csv(folder / "paired.csv")
    row = paired[(paired["view"] == "all") & (paired["model"] == "stacking")].iloc[0]
    assert row["other"] == "ease"
    mine = board.set_index(["view", "slice", "model", "metric"])["value"]
    expected = mine["all", "all", "stacking", "ndcg@10"] - mine["all", "all", "ease", "ndcg@10"]
    assert row["difference"] == pytest.approx(expected, abs=1e-5)
    metrics = json.loads((shop / "reports/metrics.json").read_text())
    assert metrics["all/stacking/ndcg_10"] == 1
    print_leaderboard(shop / "reports/leaderboard.csv")
    assert "stacking *" in capsys.readouterr().out


def test_twice_gives_the_same_bytes(shop: Path) -> None:
    evaluate(shop)
    first = {p: p.read_bytes() for p in (shop / "reports").rglob("*.*") if p.is_file()}
    evaluate(shop)
    assert first == {p: p.read_bytes() for p in (shop / "reports").rglob("*.*") if p.is_file()}


def test_k_is_obeyed(shop: Path) -> None:
    board = evaluate(shop, k=1)
    value = board.set_index(["view", "slice", "model", "metric"])["value"]
    assert value["all", "all", "ease", "hit_rate@1"] == pytest.approx(1 / 3, abs=1e-6)


def test_rankings_of_other_shoppers_are_refused(shop: Path) -> None:
    save(shop / "fused", "stacking", [[0], [0]], [[1], [1]])
    with pytest.raises(DataError, match="3 evaluated shoppers"):
        evaluate(shop)
    assert not (shop / "reports/leaderboard.csv").exists()


def test_missing_rankings_are_named(shop: Path) -> None:
    (shop / "baselines/rankings/test/ease.npz").unlink()
    with pytest.raises(DataError, match="run the stage baseline_training"):
        evaluate(shop)


def test_missing_leaderboard_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run the stage evaluation"):
        print_leaderboard(tmp_path / "leaderboard.csv")


def test_the_champions_ranking_of_these_rows_is_measured_like_any_other(shop: Path) -> None:
    assert "champion" not in set(evaluate(shop)["model"])
    target = shop / "champion/rankings/test"
    target.mkdir(parents=True)
    shutil.copy(shop / "fused/rankings/test/stacking.npz", target / "champion.npz")
    board = evaluate(shop).set_index(["model", "view", "slice", "metric"])["value"]
    pd.testing.assert_series_equal(board["champion"], board["stacking"])


@pytest.mark.long
def test_a_full_disk_leaves_the_whole_old_evaluation(shop: Path) -> None:
    """The leaderboard is small enough to be written, its picture is not."""
    params, folder = Params(), shop / "run"
    inputs = {name: shop / name for name in ("prepared", "baselines", "fused")}
    lay_out(folder, "evaluation", inputs)
    assert run_stage(folder, "evaluation", params.model_dump(mode="json")) == ""
    before = {path.name: len(content) for path, content in outputs(folder).items()}
    assert before["leaderboard.csv"] < 20_000 < before["leaderboard.png"]
    save(shop / "fused", "stacking", [[4, 0], [0, 1], [5, 0]], [[4, 1], [1, 2], [5, 1]])
    refused(folder, "evaluation", params, 20_000)
