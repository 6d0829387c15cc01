"""From the files of one cut to the states that features are made of."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy.sparse import csr_array, load_npz

from components.platform import schemas
from components.platform.errors import DataError, ModelError
from components.platform.files import read_table
from components.shop_ranking.engine.feature_states import (
    GROUPS,
    ITEM_COLUMNS,
    TOWERS,
    ItemState,
    ShopperState,
)
from components.shop_ranking.engine.history import (
    PAIR_COLUMNS,
    SHOPPER_COLUMNS,
    Events,
    Floats,
    Ints,
    Summary,
    summarise,
)


def read_cuts(prepared: Path) -> list[dict[str, Any]]:
    """Return name, role, day and target_events of every cut, in time order.

    Raises:
        DataError: there is no cuts.json, or it is not JSON.

    """
    path = prepared / "cuts.json"
    try:
        return list(json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        raise DataError(f"the time cuts in {path}", str(error), "run data_preparation") from error


def read_states(
    prepared: Path,
    cut: str,
    towers: Mapping[str, Path],
    baselines: Path,
    target_events: Sequence[str],
) -> tuple[ItemState, ShopperState]:
    """Return the items and every shopper with history at `cut`.

    Args:
        prepared: folder data/prepared.
        cut: name of the cut.
        towers: tower -> its folder models/<tower>.
        baselines: folder models/baselines (EASE weights).
        target_events: event types that count as a wanted item.

    Raises:
        DataError: a table is absent.
        ModelError: a tower's vectors, or the EASE weights, are absent or of another shape.

    """
    folder = prepared / "cuts" / cut
    users = pq.read_metadata(prepared / "users.parquet").num_rows
    items = pq.read_metadata(prepared / "items.parquet").num_rows
    vectors = {tower: _vectors(towers[tower] / cut, items, users) for tower in TOWERS}
    stats = read_table(folder / "item_stats.parquet")
    numbers = np.full((items, len(ITEM_COLUMNS)), np.nan, np.float32)
    at = stats["item_index"].to_numpy()
    for k, name in enumerate(ITEM_COLUMNS):
        numbers[at, k] = _numpy(stats[name])
    eligible = np.zeros(items, bool)
    eligible[at] = stats["eligible"].to_numpy()
    item_state = ItemState(
        numbers=numbers,
        eligible=eligible,
        groups=_groups(read_table(prepared / "items.parquet", ["category", "brand"])),
        vectors={tower: both["item"] for tower, both in vectors.items()},
        ease=_ease(baselines / cut / "ease_weights.npz", items),
    )
    sequences = read_table(folder / "sequences.parquet").sort_by("user_index")
    present = sequences["user_index"].to_numpy()
    summary = summarise(events_of(sequences, target_events))
    _add_money(summary, folder, present, users)
    shopper_state = ShopperState(
        users=present.astype(np.int32),
        ptr=summary.ptr,
        item=summary.item,
        pairs=summary.pairs,
        numbers=summary.shoppers,
        vectors={tower: both["user"][present] for tower, both in vectors.items()},
    )
    return item_state, shopper_state


def events_of(sequences: pa.Table, target_events: Sequence[str]) -> Events:
    """Unfold a table of schemas.SEQUENCES."""
    lists = {name: sequences[name].combine_chunks() for name in sequences.column_names[1:]}
    flat = {name: column.flatten().to_numpy() for name, column in lists.items()}
    lengths = pc.list_value_length(lists["item_index"]).to_numpy()
    wanted = [schemas.EVENT_TYPES.index(name) for name in target_events]
    return Events(
        ptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        item=flat["item_index"],
        day=flat["day"],
        session=flat["session"],
        is_target=np.isin(flat["event_type"], wanted),
    )


def _add_money(summary: Summary, folder: Path, present: Ints, users: int) -> None:
    """Fill the columns of a summary that need orders."""
    table = read_table(folder / "user_item.parquet")
    row_of_user = np.full(users, -1)
    row_of_user[present] = np.arange(len(present))
    width = int(summary.item.max(initial=0)) + 1
    owner = np.repeat(np.arange(len(present)), np.diff(summary.ptr))
    keys = owner * width + summary.item
    by_key = np.argsort(keys)
    asked = row_of_user[table["user_index"].to_numpy()] * width + table["item_index"].to_numpy()
    place = by_key[np.searchsorted(keys, asked, sorter=by_key).clip(max=len(keys) - 1)]
    matched = keys[place] == asked
    for name in ("spend", "quantity", "discounted_share"):
        values = _numpy(table[name])
        summary.pairs[place[matched], PAIR_COLUMNS.index(name)] = values[matched]
    stats = read_table(folder / "user_stats.parquet")
    row = row_of_user[stats["user_index"].to_numpy()]
    for name in ("discounted_share", "mean_price"):
        summary.shoppers[row[row >= 0], SHOPPER_COLUMNS.index(name)] = _numpy(stats[name])[row >= 0]


def _groups(items: pa.Table) -> Ints:
    """Return the code of each item in each way of GROUPS, -1 where the item has none."""
    path = pc.split_pattern(items["category"], " > ").combine_chunks()
    top, second, whole = (
        pc.binary_join(pc.list_slice(path, 0, stop), " > ") for stop in (1, 2, None)
    )
    brand = items["brand"].combine_chunks()
    branded = pc.binary_join_element_wise(second, brand, "\n")  # null where either is
    names = dict(zip(GROUPS, (top, second, whole, brand, branded), strict=True))
    codes = [names[way].dictionary_encode().indices for way in GROUPS]
    return np.stack([pc.fill_null(code, -1).to_numpy() for code in codes], 1).astype(np.int32)


def _vectors(folder: Path, items: int, users: int) -> dict[str, Floats]:
    """Map a tower's vectors of a cut into memory: item (I, D) and user (U, D)."""
    remedy, width = "train the tower again on this data", None
    vectors: dict[str, Floats] = {}
    for kind, rows in (("item", items), ("user", users)):
        path = folder / f"{kind}_vectors.npy"
        try:
            stored = np.load(path, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise ModelError(f"the tower's vectors {path}", str(error), remedy) from error
        if stored.ndim != 2 or stored.shape != (rows, width or stored.shape[1]):
            wide = f" of {width} numbers" if width else ""
            raise ModelError(f"{rows} rows{wide} in {path}", f"shape {stored.shape}", remedy)
        width, vectors[kind] = stored.shape[1], stored
    return vectors


def _ease(path: Path, items: int) -> csr_array:
    remedy = "run baseline_training on this data"
    try:
        weights = csr_array(load_npz(path)).astype(np.float32)
    except (OSError, ValueError) as error:
        raise ModelError(f"EASE weights at {path}", str(error), remedy) from error
    if weights.shape != (items, items):
        raise ModelError(f"{items} x {items} weights in {path}", f"{weights.shape}", remedy)
    return weights


def _numpy(column: pa.ChunkedArray) -> Floats:
    return column.cast(pa.float32()).to_numpy(zero_copy_only=False)
