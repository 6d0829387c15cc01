"""The shop's items as they are shown, and which of them a request's filters let through."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.platform.files import read_table
from components.shop_ranking.serving.api import Filters

Mask = npt.NDArray[np.bool_]
MASKS = 64  # masks of recent filters that are kept. Capacity only: changes no result.
ADDRESSES = 20_000  # addresses of pictures that are kept. Capacity only: changes no result.


@lru_cache(ADDRESSES)
def picture_address(item_id: str) -> str:
    """Return where the server shows an item's picture."""
    return f"/pictures/{quote(item_id, safe='')}"


@dataclass(frozen=True)
class Catalogue:
    """I items; row i of every array is item_index i of the model."""

    item_id: Sequence[str]
    title: Sequence[str | None]
    text: Sequence[str | None]
    category: Sequence[str | None]
    brand: Sequence[str | None]
    price: npt.NDArray[np.float32]  # (I,) NaN for unknown
    index: dict[str, int]  # item_id -> item_index
    eligible: Mask  # (I,) sold today: nothing else is shown
    category_code: npt.NDArray[np.int32]  # (I,) row in categories, -1 for none
    brand_code: npt.NDArray[np.int32]
    categories: Sequence[str]
    brands: Sequence[str]
    pictures: pa.ChunkedArray  # encoded pictures
    picture_row: npt.NDArray[np.int32]  # (I,) row in pictures, -1 for none

    @classmethod
    def read(cls, folder: Path, eligible: Mask) -> "Catalogue":
        """Read what model_registration wrote into the package.

        Raises:
            DataError: a file is absent or broken.

        """
        items = read_table(folder / "items.parquet")
        images = read_table(folder / "images.parquet")
        ids = items["item_id"].to_pylist()
        codes, names = {}, {}
        for column in ("category", "brand"):
            coded = items[column].combine_chunks().dictionary_encode()
            codes[column] = pc.fill_null(coded.indices, -1).to_numpy().astype(np.int32)
            names[column] = coded.dictionary.to_pylist()
        picture_row = np.full(len(ids), -1, np.int32)
        picture_row[images["item_index"].to_numpy()] = np.arange(images.num_rows)
        return cls(
            item_id=ids,
            title=items["title"].to_pylist(),
            text=items["text"].to_pylist(),
            category=items["category"].to_pylist(),
            brand=items["brand"].to_pylist(),
            price=items["price"].to_numpy().astype(np.float32),
            index={item: row for row, item in enumerate(ids)},
            eligible=np.asarray(eligible),
            category_code=codes["category"],
            brand_code=codes["brand"],
            categories=names["category"],
            brands=names["brand"],
            pictures=images["image"],
            picture_row=picture_row,
        )

    def __post_init__(self) -> None:
        # A cache of one catalogue's masks: it goes when the catalogue goes.
        object.__setattr__(self, "_mask", lru_cache(MASKS)(self._compute))

    def __len__(self) -> int:
        return len(self.item_id)

    def rows(self, item_ids: Sequence[str]) -> npt.NDArray[np.int32]:
        """Return the rows of the ids that the catalogue knows, in their order."""
        known = (self.index.get(item) for item in item_ids)
        return np.fromiter((row for row in known if row is not None), np.int32)

    def picture(self, item_id: str) -> bytes | None:
        """Return the item's picture as a PNG or JPEG file, if it has one."""
        row = self.index.get(item_id)
        if row is None or self.picture_row[row] < 0:
            return None
        image: bytes = self.pictures[int(self.picture_row[row])].as_py()
        return image

    def allowed(self, filters: Filters) -> Mask:
        """Mark the items that may be shown: sold today, and through all filters, (I,)."""
        mask: Mask = self._mask(filters)  # type: ignore[attr-defined]
        return mask

    def _compute(self, filters: Filters) -> Mask:
        mask = self.eligible.copy()
        if filters.category is not None:
            wanted = filters.category.strip().casefold()
            inside = [
                name.casefold() == wanted or name.casefold().startswith(f"{wanted} > ")
                for name in self.categories
            ]
            mask &= _of_code(inside, self.category_code)
        if filters.brand:
            brands = {brand.casefold() for brand in filters.brand}
            mask &= _of_code([name.casefold() in brands for name in self.brands], self.brand_code)
        # An unknown price is outside any range; a limit beyond 32 bits is infinity.
        with np.errstate(invalid="ignore", over="ignore"):
            if filters.price_min is not None:
                mask &= self.price >= filters.price_min
            if filters.price_max is not None:
                mask &= self.price <= filters.price_max
        mask.flags.writeable = False
        return mask


def _of_code(wanted: list[bool], code: npt.NDArray[np.int32]) -> Mask:
    """Look up each item's code; the code -1 (none) is never wanted."""
    mask: Mask = np.array([*wanted, False])[code]
    return mask
