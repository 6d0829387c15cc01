"""Row 9: the example of docs/ready-made-vectors.md, from the export to a fused ranking."""

import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.platform.settings import settings
from components.shop_ranking import application as shop
from components.shop_ranking.engine.rankings import Rankings
from components.shop_ranking.fusion_training import component as fusion_training
from components.shop_ranking.params import Params
from tests.registries import new_registry

PAGE = Path(__file__).parents[1] / "docs" / "ready-made-vectors.md"
PRODUCTS, SHOPPERS, CLUSTERS, WIDTH = 48, 30, 4, 24
WITHOUT = 7  # the product that has no vectors


def write_export(folder: Path) -> np.ndarray:
    """Write products, orders and vectors; returns each product's cluster."""
    rng = np.random.default_rng(0)
    cluster = np.arange(PRODUCTS) % CLUSTERS
    (folder / "export").mkdir()
    ids = [f"p{number}" for number in range(PRODUCTS)]
    names = [f"product {number}" for number in range(PRODUCTS)]
    pq.write_table(pa.table({"item_id": ids, "title": names}), folder / "export/products.parquet")
    centres = rng.normal(size=(CLUSTERS, WIDTH)) * 3
    vectors = centres[cluster] + rng.normal(size=(PRODUCTS, WIDTH))
    vectors[WITHOUT] = np.nan
    np.savez(folder / "vectors.npz", text_embedding=vectors, image_embedding=vectors[:, :12])
    day = np.datetime64("2024-01-01") + np.arange(120).astype("timedelta64[D]")
    shopper = rng.integers(SHOPPERS, size=1500)
    own = rng.integers(PRODUCTS // CLUSTERS, size=1500) * CLUSTERS + shopper % CLUSTERS
    orders = {
        "order_id": [f"o{n}" for n in range(1500)],
        "user_id": [f"u{number}" for number in shopper],
        "timestamp": np.sort(rng.choice(day, 1500)).astype(str),
        "item_id": [ids[item] for item in own],
        "quantity": [1] * 1500,
    }
    pq.write_table(pa.table(orders), folder / "export/orders.parquet")
    return cluster


@pytest.fixture(scope="module")
def towers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """Run the example and the stages up to one method of fusion."""
    folder = tmp_path_factory.mktemp("shop")
    cluster = write_export(folder)
    example = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert example is not None
    params = Params.model_validate(
        {
            "data": {"dataset": "tables", "path": str(folder / "export")},
            "preparation": {"horizon_days": 14, "min_item_sessions": 1},
            "behaviour": {"dim": 16, "width": 16, "epochs": 2},
        }
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("SHOPFUSION_MLFLOW_URI", new_registry(folder))
        settings.cache_clear()
        exec(example[1], {})
        for stage in ("data_acquisition", "data_ingestion", "data_preparation",
                      "text_pretraining", "image_pretraining", "behaviour_pretraining",
                      "baseline_training"):  # fmt: skip
            shop.STAGES[stage].run(params)
        fusion_training.run(
            params, prepared=shop.PREPARED, **shop.TOWER_FOLDERS,
            baselines=shop.BASELINES, fused=shop.FUSED,
            methods=["weighted-average"],
        )  # fmt: skip
    settings.cache_clear()
    return folder, cluster


def numbers(folder: Path) -> np.ndarray:
    """Return the number in each item's id, in item_index order."""
    ids = pq.read_table(folder / "data/prepared/items.parquet", columns=["item_id"])["item_id"]
    return np.array([int(name[1:]) for name in ids.to_pylist()])


@pytest.mark.parametrize(("tower", "width"), [("text", WIDTH), ("image", 12)])
def test_towers_take_the_vectors_instead_of_training(
    towers: tuple[Path, np.ndarray], tower: str, width: int
) -> None:
    folder, cluster = towers
    about = json.loads((folder / "models" / tower / "tower.json").read_text())
    assert about["encoder"] == "none: ready-made vectors"
    items = np.load(folder / "models" / tower / "test" / "item_vectors.npy")
    number = numbers(folder)
    assert items.shape == (PRODUCTS, width)
    assert np.flatnonzero(np.isnan(items).any(1)).tolist() == [
        int(np.flatnonzero(number == WITHOUT)[0])
    ]
    known = np.nan_to_num(items)
    nearest = (known @ known.T - 2 * np.eye(PRODUCTS)).argmax(1)
    same = cluster[number[nearest]] == cluster[number]
    assert same[number != WITHOUT].mean() > 0.95


def test_shoppers_lie_near_what_they_buy(towers: tuple[Path, np.ndarray]) -> None:
    folder, cluster = towers
    tower = folder / "models" / "text" / "test"
    items, users = np.load(tower / "item_vectors.npy"), np.load(tower / "user_vectors.npy")
    scores = users @ np.nan_to_num(items).T
    number = numbers(folder)
    own = pq.read_table(folder / "data/prepared/cuts/test/user_item.parquet")
    pairs = own["user_index"].to_numpy(), own["item_index"].to_numpy()
    wanted = cluster[number[pairs[1]]]
    best = cluster[number[scores.argmax(1)]]
    assert (best[pairs[0]] == wanted).mean() > 0.9


def test_the_fusion_ranks_by_them(towers: tuple[Path, np.ndarray]) -> None:
    folder, cluster = towers
    fused = folder / "models" / "fused"
    assert json.loads((fused / "chosen.json").read_text())["method"] == "weighted-average"
    ranking = Rankings.load(fused / "rankings" / "test" / "weighted-average.npz")
    alone = {
        name: Rankings.load(fused / "rankings" / "test" / f"{name}.npz")
        for name in ("text", "image")
    }
    number = numbers(folder)
    own = pq.read_table(folder / "data/prepared/cuts/test/user_item.parquet")
    pairs = own["user_index"].to_numpy(), own["item_index"].to_numpy()
    taste = dict(zip(pairs[0].tolist(), cluster[number[pairs[1]]].tolist(), strict=True))
    wanted = np.array([taste[int(user)] for user in ranking.users])
    assert len(wanted) > SHOPPERS / 2
    for scored in (ranking, *alone.values()):
        right = cluster[number[scored.all[:, :10]]] == wanted[:, None]
        assert right.mean() > 0.9
