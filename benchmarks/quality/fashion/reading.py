"""Photographs and names in the layout of "Fashion Product Images", split by product."""

import csv
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.quality.layouts import layout
from components.platform.errors import DataError
from components.shop_ranking.data_ingestion.adapters import fashion_product_images
from components.shop_ranking.engine.towers.item_orders import Ints
from components.shop_ranking.params import DataParams, Params

PARTS = {"train": 0.7, "validation": 0.1, "test": 0.2}
LABELS = ("articleType", "baseColour")  # columns of styles.csv
LEAST = 60  # products with a picture and a name: 6 of them choose, 12 are test


@dataclass(frozen=True)
class Photographs:
    """N products with a picture and a name."""

    pictures: list[bytes]
    names: list[str]
    labels: dict[str, Ints]  # label -> (N,) code, -1 where unknown
    part: dict[str, Ints]  # train, validation, test -> rows


def read_photographs(folder: Path, share: float, seed: int) -> Photographs:
    """Read a folder through the platform's own adapter and split it at random by product.

    Raises:
        DataError: a file or column of the layout is missing, or there are too few pictures.

    """
    params = Params(data=DataParams(dataset="fashion-product-images", path=str(folder)))
    with tempfile.TemporaryDirectory() as name:
        raw = Path(name)
        fashion_product_images.acquire(params, raw)
        extract = fashion_product_images.read(raw, params)
    rows = {batch.table: batch.rows for batch in extract.batches}
    products = rows["products"]
    titles = dict(zip(*(products[key].to_pylist() for key in ("item_id", "title")), strict=True))
    shown = rows.get("images", pa.table({"item_id": [], "image": []}))
    named = [(i, p) for i, p in zip(shown["item_id"].to_pylist(), shown["image"].to_pylist(),
             strict=True) if titles.get(i)]  # fmt: skip
    if len(named) < LEAST:
        raise DataError(
            f"{LEAST} products with a name and a picture in {folder}",
            f"{len(named)}, of {products.num_rows} products and {shown.num_rows} pictures",
            "bring the pictures of styles.csv as images/<id>.jpg, or in images.tar.gz",
        )
    rng = np.random.default_rng(seed)
    count = max(int(share * len(named)), LEAST)
    named = [named[row] for row in np.sort(rng.permutation(len(named))[:count])]
    ids = [item for item, _ in named]
    order = rng.permutation(len(ids))
    ends = np.round(np.cumsum(list(PARTS.values())) * len(ids)).astype(int)
    split = dict(zip(PARTS, np.split(order, ends[:-1]), strict=True))
    return Photographs(
        pictures=[picture for _, picture in named],
        names=[titles[item] for item in ids],
        labels=_labels(folder, ids),
        part={name: np.sort(rows) for name, rows in split.items()},
    )


def _labels(folder: Path, ids: list[str]) -> dict[str, Ints]:
    """Read the label columns; they stand before the name, so its commas do no harm."""
    told = "use the Kaggle set's file"
    with layout(folder / "styles.csv", " and ".join(LABELS), told) as lines:
        table = csv.reader(lines)
        columns = {name: at for at, name in enumerate(next(table))}
        places = {name: columns[name] for name in LABELS}
        rows = {row[0]: row for row in table if len(row) > max(places.values())}
    codes_by_column = {}
    for name, column in places.items():
        values = pa.array([rows[item][column] or None if item in rows else None for item in ids])
        codes = values.cast(pa.string()).dictionary_encode().indices
        codes_by_column[name] = codes.fill_null(-1).to_numpy().astype(np.int64)
    return codes_by_column
