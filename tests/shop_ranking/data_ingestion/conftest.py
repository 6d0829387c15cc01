import csv
import io
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from components.shop_ranking.data_ingestion import acquisition, component
from components.shop_ranking.params import Params

EVENTS = ["event_id", "user_id", "timestamp", "event_type", "item_id", "query"]
ORDERS = ["order_id", "user_id", "timestamp", "item_id", "quantity", "unit_price"]
PRODUCTS = ["item_id", "title", "price", "image"]
USERS = ("raw-shopper-anna", "raw-shopper-bert")


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def append(path: Path, *lines: str) -> None:
    path.write_text(path.read_text() + "".join(f"{line}\n" for line in lines))


def jpeg(colour: tuple[int, int, int] = (200, 30, 30), side: int = 24) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(out, "JPEG")
    return out.getvalue()


@dataclass
class Shop:
    """A folder of a shop's own files and the run folder it is ingested in."""

    source: Path
    run: Path
    dataset: str = "tables"

    def params(self, **data: Any) -> Params:
        values = {"dataset": self.dataset, "path": str(self.source), **data}
        return Params.model_validate({"data": values})

    def ingest(self, **data: Any) -> dict[str, Any]:
        """Acquire and ingest; returns ingestion.json."""
        params = self.params(**data)
        acquisition.run(params, self.run / "data/raw")
        component.run(params, self.run / "data/raw", self.run / "data/tables")
        return json.loads((self.run / "data/tables/ingestion.json").read_text())

    def table(self, name: str) -> pa.Table:
        return pq.read_table(self.run / f"data/tables/{name}.parquet")

    def output(self) -> dict[str, bytes]:
        """Every file of data/tables."""
        return {p.name: p.read_bytes() for p in sorted((self.run / "data/tables").iterdir())}


def fill(folder: Path) -> None:
    """Write a sound little shop: 3 products, 40 events, 30 order lines, 2 pictures."""
    write_csv(
        folder / "products.csv",
        [*PRODUCTS, "colour"],
        [
            ["p1", "Red mug", "4.5", "images/p1.jpg", "red"],
            ["p2", "Blue mug, large", "6", "", "blue"],
            ["p3", 'The "best" mug\nfor two', "", "images/none.jpg", ""],
        ],
    )
    kinds = ["view", "click", "add_to_cart", "search"]
    write_csv(
        folder / "events.csv",
        EVENTS,
        [
            [
                f"e{i}",
                USERS[i % 2],
                f"2024-03-{1 + i % 28:02d} 10:{i % 60:02d}:00",
                kinds[i % 4],
                "" if kinds[i % 4] == "search" else f"p{1 + i % 3}",
                "mug" if kinds[i % 4] == "search" else "",
            ]
            for i in range(40)
        ],
    )
    write_csv(
        folder / "orders.csv",
        ORDERS,
        [
            [f"o{i}", USERS[i % 2], f"2024-03-{1 + i % 28:02d}T12:00:00Z", f"p{1 + i % 3}", 1, 4.5]
            for i in range(30)
        ],
    )
    (folder / "images").mkdir()
    (folder / "images/p1.jpg").write_bytes(jpeg())
    (folder / "images/p2.png").write_bytes(jpeg((10, 10, 200)))


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    (tmp_path / "source").mkdir()
    fill(tmp_path / "source")
    return Shop(tmp_path / "source", tmp_path / "run")


@pytest.fixture
def empty_shop(tmp_path: Path) -> Callable[[str], Shop]:
    def make(dataset: str) -> Shop:
        (tmp_path / "source").mkdir()
        return Shop(tmp_path / "source", tmp_path / "run", dataset)

    return make


@pytest.fixture
def shared_data() -> Path:
    """Real samples that are not part of the repository."""
    named = os.environ.get("SHOPFUSION_TEST_DATA")
    parents = Path(__file__).resolve().parents
    folders = [Path(named)] if named else [parent / "shared/data" for parent in parents[3:]]
    present = next((folder for folder in folders if folder.is_dir()), None)
    if present is None:
        pytest.skip("no sample data: set SHOPFUSION_TEST_DATA or put it in ../shared/data")
    return present
