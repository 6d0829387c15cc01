"""Registered towers on the items and shoppers of another preparation.

What a tower's registration names as `encode`: vectors of shoppers (U, D) and of items (I, D).
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.platform.encoders.image import ImageTower
from components.platform.encoders.text import TextTower
from components.platform.files import read_table
from components.shop_ranking.engine.history import Floats
from components.shop_ranking.engine.towers import content_tower
from components.shop_ranking.engine.towers.behaviour import BehaviourTower
from components.shop_ranking.engine.towers.histories import Sessions, read_histories
from components.shop_ranking.engine.towers.profile import profile_vectors
from components.shop_ranking.towers.registration import Unencoded

Rows = npt.NDArray[np.int64]
# Folder of a tower, rows of new items -> the rows that it can encode, and their vectors.
EncodeNew = Callable[[Path, Rows], tuple[Rows, Floats]]


def histories(asked: Unencoded) -> tuple[Floats, Floats]:
    """Encode shoppers by what they did, and items by words and by what was done with them."""
    items = read_table(asked.prepared / "items.parquet", ["item_id", "title", "category", "brand"])
    model = BehaviourTower.load(asked.package).on_catalogue(items)
    user, done = read_histories(_sequences(asked))
    vectors_UD = np.full((_shoppers(asked), model.width), np.nan, np.float32)
    vectors_UD[user] = model.encode(Sessions.of(done))
    return vectors_UD, model.encode_items()


def texts(asked: Unencoded) -> tuple[Floats, Floats]:
    """Encode the texts of new items."""

    def encode(folder: Path, new: Rows) -> tuple[Rows, Floats]:
        column = read_table(asked.prepared / "items.parquet", ["text"])["text"]
        rows, written = content_tower.present_texts(column.take(pa.array(new)))
        return new[rows], TextTower.load(folder).encode(written)

    return content(asked, encode)


def pictures(asked: Unencoded) -> tuple[Floats, Floats]:
    """Encode the pictures of new items."""

    def encode(folder: Path, new: Rows) -> tuple[Rows, Floats]:
        table = read_table(asked.prepared / "images.parquet", ["item_index", "image"])
        kept = np.flatnonzero(np.isin(table["item_index"].to_numpy(), new))
        seen = table["image"].take(pa.array(kept)).to_pylist()
        return table["item_index"].to_numpy()[kept], ImageTower.load(folder).encode(seen)

    return content(asked, encode)


def content(asked: Unencoded, encode_new: EncodeNew) -> tuple[Floats, Floats]:
    """Keep the vectors of known items, encode new ones where there is an encoder.

    Shoppers get the mean of their items' vectors, by the tower's half-life.
    """
    folder = content_tower.tower_in(asked.package, str(asked.package))
    vectors_ID = asked.known_ID.copy()
    if len(asked.new) and (folder / "encoder.json").is_file():
        rows, made_ND = encode_new(folder, asked.new)
        vectors_ID[rows] = made_ND
    table = read_table(_sequences(asked), ["user_index", "item_index", "day"])
    vectors_UD = np.full((_shoppers(asked), vectors_ID.shape[1]), np.nan, np.float32)
    assert asked.half_life_days is not None
    vectors_UD[table["user_index"].to_numpy()] = profile_vectors(
        table, vectors_ID, asked.half_life_days
    )
    return vectors_UD, vectors_ID


def _sequences(asked: Unencoded) -> Path:
    return asked.prepared / "cuts" / asked.cut / "sequences.parquet"


def _shoppers(asked: Unencoded) -> int:
    return read_table(asked.prepared / "users.parquet", ["user_index"]).num_rows
