"""Packages that a server is measured on: of the run in the current folder, or simulated."""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.sparse import csr_array

from components.platform import schemas
from components.platform.files import write_json, write_table
from components.shop_ranking import application as shop
from components.shop_ranking.engine.feature_states import (
    GROUPS,
    ITEM_COLUMNS,
    ItemState,
    ShopperState,
)
from components.shop_ranking.engine.history import summarise
from components.shop_ranking.engine.reading import events_of
from components.shop_ranking.model_registration.packages import ranker_package, tower_package

SHOPPERS, LINES = 2000, 200  # of a simulated catalogue; lines a shopper
DIMS = {"behaviour": 65, "text": 256, "image": 64}


def package(folder: Path) -> None:
    """Package the towers and the stacking of the run in the current folder."""
    with tempfile.TemporaryDirectory() as scratch:
        fused = Path(scratch) / "fused"
        shutil.copytree(shop.FUSED, fused)
        chosen = json.loads((fused / "chosen.json").read_text()) | {"method": "stacking"}
        write_json(chosen, fused / "chosen.json")
        made = [ranker_package(fused, shop.PREPARED, Path(scratch))]
        made += [
            tower_package(tower, shop.PREPARED, Path(scratch))
            for tower in (shop.TOWER_FOLDERS["text"], shop.TOWER_FOLDERS["image"])
        ]
        for packaged in made:
            shutil.copytree(packaged.folder, folder / packaged.folder.name)


def simulate(folder: Path, items: int) -> None:
    """Replace the catalogue by a simulated one: random vectors, real words, the real trees."""
    package(folder)
    rng = np.random.default_rng(0)
    ranker = folder / "fused"
    popularity = np.sort(rng.pareto(1.2, items).astype(np.float32) * 20)[::-1]
    numbers = np.abs(rng.normal(1, 0.3, (items, len(ITEM_COLUMNS)))).astype(np.float32)
    for name, share in (("sessions", 1.0), ("sessions_28", 0.1), ("sessions_91", 0.3)):
        numbers[:, ITEM_COLUMNS.index(name)] = popularity * share
    sizes = (20, 300, 2000, 5000, 10_000)
    groups = np.stack([rng.integers(0, size, items) for size in sizes], 1).astype(np.int32)
    assert groups.shape[1] == len(GROUPS)
    vectors = {name: _unit(rng, items, dim) for name, dim in DIMS.items()}
    place = np.repeat(np.arange(items), 20), rng.integers(0, items, items * 20)
    ease = csr_array((rng.random(items * 20, np.float32) / 50, place), shape=(items, items))
    ItemState(numbers, np.ones(items, bool), groups, vectors, ease).save(ranker / "state/items")
    sequences = _sequences(rng, items)
    summary = summarise(events_of(sequences, ["purchase"]))
    users = np.arange(SHOPPERS, dtype=np.int32)
    own = {name: _unit(rng, SHOPPERS, dim) for name, dim in DIMS.items()}
    state = ShopperState(users, summary.ptr, summary.item, summary.pairs, summary.shoppers, own)
    state.save(ranker / "state/shoppers")
    _write_catalogue(ranker / "shop", rng, items, groups)
    write_table(sequences, ranker / "shop/sequences.parquet")
    write_table(schemas.ITEM_PAIRS.empty_table(), ranker / "shop/item_pairs.parquet")
    names = pa.table({"user_id": [f"{user:032x}" for user in range(SHOPPERS)]})
    write_table(names, ranker / "ids/users.parquet")


def _unit(rng: np.random.Generator, count: int, dim: int) -> np.ndarray:
    vectors = rng.standard_normal((count, dim), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _sequences(rng: np.random.Generator, items: int) -> pa.Table:
    count = SHOPPERS * LINES
    item = (items * rng.random(count) ** 3).astype(np.int32)  # popular ones more often
    day = np.sort(rng.random((SHOPPERS, LINES)), axis=1)[:, ::-1].ravel() * 300 + 0.1
    session = np.tile(np.arange(LINES) // 8, SHOPPERS)
    kind = np.full(count, schemas.EVENT_TYPES.index("purchase"))
    offsets = np.arange(SHOPPERS + 1, dtype=np.int32) * LINES
    flat = {"item_index": item, "day": day, "session": session, "event_type": kind}
    columns = [pa.array(np.arange(SHOPPERS, dtype=np.int32))]
    for field in list(schemas.SEQUENCES)[1:]:
        values = pa.array(flat[field.name]).cast(field.type.value_type)
        columns.append(pa.ListArray.from_arrays(offsets, values).cast(field.type))
    return pa.Table.from_arrays(columns, schema=schemas.SEQUENCES)


def _write_catalogue(shop: Path, rng: np.random.Generator, items: int, groups: np.ndarray) -> None:
    real = pq.read_table(shop / "items.parquet")["title"].to_pylist()
    words = np.array(sorted({word for title in real if title for word in title.split()}))
    titles = [" ".join(row) for row in words[rng.integers(0, len(words), (items, 4))]]
    table = pa.table(
        {
            "item_index": np.arange(items, dtype=np.int32),
            "item_id": [str(item) for item in range(items)],
            "title": titles,
            "text": pa.nulls(items, pa.string()),
            "category": [f"D{a} > C{b}" for a, b in groups[:, :2].tolist()],
            "brand": [f"brand {code}" for code in groups[:, 3].tolist()],
            "price": rng.gamma(2, 2, items).astype(np.float32),
        }
    )
    write_table(table, shop / "items.parquet")
    write_table(schemas.ITEM_IMAGES.empty_table(), shop / "images.parquet")
    write_table(table.select(["item_id"]), shop.parent / "ids/items.parquet")
