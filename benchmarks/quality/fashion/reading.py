"""Photographs and names in the layout of "Fashion Product Images", split by product."""

import csv
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from components.data_ingestion.adapters import fashion_product_images
from components.models.item_orders import Ints
from components.params import DataParams, Params

PARTS = {"train": 0.7, "validation": 0.1, "test": 0.2}
LABELS = {"articleType": 4, "baseColour": 5}  # columns of styles.csv


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
        DataError: a file or column of the layout is missing.

    """
    params = Params(data=DataParams(dataset="fashion-product-images", path=str(folder)))
    with tempfile.TemporaryDirectory() as name:
        raw = Path(name)
        fashion_product_images.acquire(params, raw)
        extract = fashion_product_images.read(raw, params)
    rows = {batch.table: batch.rows for batch in extract.batches}
    products = rows["products"]
    titles = dict(zip(*(products[key].to_pylist() for key in ("item_id", "title")), strict=True))
    shown = rows["images"]
    named = [(i, p) for i, p in zip(shown["item_id"].to_pylist(), shown["image"].to_pylist(),
             strict=True) if titles.get(i)]  # fmt: skip
    rng = np.random.default_rng(seed)
    count = max(int(share * len(named)), min(len(named), 60))
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
    with (folder / "styles.csv").open(newline="") as lines:
        rows = {row[0]: row for row in csv.reader(lines) if len(row) > max(LABELS.values())}
    found = {}
    for name, column in LABELS.items():
        values = pa.array([rows[item][column] if item in rows else None for item in ids])
        found[name] = values.dictionary_encode().indices.fill_null(-1).to_numpy().astype(np.int64)
    return found
