"""The catalogue's pictures, each distinct one once, and which items show it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from components.platform.files import read_table


@dataclass(frozen=True)
class Pictures:
    """P distinct pictures; row n says that item `item[n]` is shown by picture `picture[n]`."""

    distinct: pa.LargeBinaryArray  # (P,)
    item: np.ndarray  # (N,) item_index
    picture: np.ndarray  # (N,) row in distinct

    def of_items(self, items: np.ndarray) -> "Pictures":
        """Keep the rows of these items."""
        kept = np.isin(self.item, items)
        return Pictures(self.distinct, self.item[kept], self.picture[kept])

    def take(self, rows: np.ndarray) -> list[bytes]:
        """Return encoded pictures by row in `distinct`."""
        taken: list[bytes] = self.distinct.take(pa.array(rows)).to_pylist()
        return taken


def read_pictures(prepared: Path) -> Pictures:
    """Read images.parquet, empty ones left out."""
    table = read_table(prepared / "images.parquet", ["item_index", "image"])
    images = table["image"].cast(pa.large_binary()).combine_chunks().dictionary_encode()
    return Pictures(
        images.dictionary,
        table["item_index"].to_numpy(),
        images.indices.to_numpy().astype(np.int64),
    )
