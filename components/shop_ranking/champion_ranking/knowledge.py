"""The champion's towers and EASE weights on the items and shoppers of another preparation."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.sparse import csr_array, save_npz

from components.platform import tracking
from components.platform.encoders.image import ImageTower
from components.platform.encoders.text import TextTower
from components.platform.files import read_table
from components.platform.tracking import Version
from components.shop_ranking.engine.states import ItemState
from components.shop_ranking.engine.towers import content_tower
from components.shop_ranking.engine.towers.behaviour import BehaviourTower
from components.shop_ranking.engine.towers.histories import Sessions, read_histories
from components.shop_ranking.engine.towers.profile import profile_vectors
from components.shop_ranking.params import Params

Encode = Callable[[Path, np.ndarray], tuple[np.ndarray, np.ndarray]]


def write_knowledge(
    version: Version,
    package: Path,
    state: ItemState,
    params: Params,
    prepared: Path,
    cut: str,
    scratch: Path,
) -> tuple[dict[str, Path], Path]:
    """Write a folder a tower and one of EASE weights, as ranking.reading reads them, for one cut.

    Content vectors of items that the champion knows are its own; new items are encoded by its
    towers, where they are encoders.

    Returns:
        tower -> its folder, and the folder of the weights.

    """
    items = read_table(prepared / "items.parquet")
    known = pd.Index(pd.read_parquet(package / "ids" / "items.parquet")["item_id"])
    row_I = known.get_indexer(pd.Index(items["item_id"].to_pandas()))
    weights = scratch / "baselines"
    (weights / cut).mkdir(parents=True)
    save_npz(weights / cut / "ease_weights.npz", on_rows(state.ease, row_I))
    sequences = prepared / "cuts" / cut / "sequences.parquet"
    users = read_table(prepared / "users.parquet", ["user_index"]).num_rows
    towers = {name: scratch / name for name in ("behaviour", "text", "image")}
    for tower in towers.values():
        (tower / cut).mkdir(parents=True)

    def write(name: str, users_UD: np.ndarray, items_ID: np.ndarray) -> None:
        np.save(towers[name] / cut / "user_vectors.npy", users_UD)
        np.save(towers[name] / cut / "item_vectors.npy", items_ID)

    behaviour = tracking.download(f"models:/{version.tags['parent_behaviour']}")
    write("behaviour", *_behaviour(BehaviourTower.load(behaviour), items, sequences, users))
    encoders = {"text": _texts(items), "image": _pictures(prepared)}
    half_lives = {"text": params.text.half_life_days, "image": params.image.half_life_days}
    for name, encode in encoders.items():
        folder = content_tower.find_tower(f"models:/{version.tags[f'parent_{name}']}")
        vectors_ID = np.full((len(row_I), state.vectors[name].shape[1]), np.nan, np.float32)
        vectors_ID[row_I >= 0] = np.asarray(state.vectors[name])[row_I[row_I >= 0]]
        new = np.flatnonzero(row_I < 0)
        if len(new) and (folder / "encoder.json").is_file():
            rows, made_ND = encode(folder, new)
            vectors_ID[rows] = made_ND
        table = read_table(sequences, ["user_index", "item_index", "day"])
        users_UD = np.full((users, vectors_ID.shape[1]), np.nan, np.float32)
        users_UD[table["user_index"].to_numpy()] = profile_vectors(
            table, vectors_ID, half_lives[name]
        )
        write(name, users_UD, vectors_ID)
    return towers, weights


def on_rows(weights: csr_array, row_I: np.ndarray) -> csr_array:
    """Return weights between the items of another catalogue, none for those not known."""
    at = np.flatnonzero(row_I >= 0)
    cells = (np.ones(len(at), np.float32), (at, row_I[at]))
    chosen = csr_array(cells, shape=(len(row_I), weights.shape[0]))
    return csr_array(chosen @ weights @ chosen.T)


def _behaviour(
    tower: BehaviourTower, items: pa.Table, sequences: Path, users: int
) -> tuple[np.ndarray, np.ndarray]:
    model = tower.on_catalogue(items.select(["item_id", "title", "category", "brand"]))
    user, histories = read_histories(sequences)
    vectors_UD = np.full((users, model.width), np.nan, np.float32)
    vectors_UD[user] = model.encode(Sessions.of(histories))
    return vectors_UD, model.encode_items()


def _texts(items: pa.Table) -> Encode:
    def encode(folder: Path, new: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows, texts = content_tower.present_texts(items["text"].take(pa.array(new)))
        return new[rows], TextTower.load(folder).encode(texts)

    return encode


def _pictures(prepared: Path) -> Encode:
    def encode(folder: Path, new: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        table = read_table(prepared / "images.parquet", ["item_index", "image"])
        kept = np.flatnonzero(np.isin(table["item_index"].to_numpy(), new))
        pictures = table["image"].take(pa.array(kept)).to_pylist()
        return table["item_index"].to_numpy()[kept], ImageTower.load(folder).encode(pictures)

    return encode
