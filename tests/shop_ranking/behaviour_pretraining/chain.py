"""A shop of habits: every day a shopper takes the item after yesterday's, so i leads to i + 1.

Written as data/prepared, cut by cut, so that a test may change what happens after a cut.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa

from components.platform import schemas
from components.platform.files import write_json, write_table

USERS, ITEMS, DAYS = 60, 30, 40
CUT_DAYS = {"fit_1": 24, "fit_2": 28, "validation": 32, "test": 36}


def chosen(user: np.ndarray, day: np.ndarray, cycle: int | None = None) -> np.ndarray:
    """The item of the day: along all items, or round and round `cycle` items of one's own."""
    if cycle is None:
        return (user + day) % ITEMS
    return (user * cycle + day % cycle) % ITEMS


def events(seed: int = 0, cycle: int | None = None) -> pa.Table:
    """One purchase a shopper a day, from a day of the shopper's own on."""
    rng = np.random.default_rng(seed)
    joined = rng.integers(0, 5, USERS)
    user, day = (axis.ravel() for axis in np.meshgrid(range(USERS), range(DAYS), indexing="ij"))
    here = day >= joined[user]
    item = chosen(user, day, cycle)
    return pa.table({"user": user[here], "item": item[here], "day": day[here].astype(float)})


def write_chain(folder: Path, table: pa.Table, horizon: int = 1) -> Path:
    """Write data/prepared from events (user, item, day)."""
    user, item, day = (table[name].to_numpy() for name in ("user", "item", "day"))
    titles = [f"thing {i}" for i in range(ITEMS)]
    columns = {
        "item_index": range(ITEMS), "item_id": titles, "title": titles, "has_image": [False] * ITEMS
    }  # fmt: skip
    _write(columns, schemas.ITEMS, ITEMS, folder / "items.parquet")
    ids = {"user_index": range(USERS), "user_id": [f"u{u}" for u in range(USERS)]}
    _write(ids, schemas.USERS, USERS, folder / "users.parquet")
    cuts = []
    for name, cut in CUT_DAYS.items():
        role = "fit" if name.startswith("fit") else name
        date = str(np.datetime64("2024-01-01") + cut)
        cuts.append(
            {"name": name, "role": role, "day": date, "horizon_days": horizon,
             "target_events": ["purchase"]}
        )  # fmt: skip
        past, wanted = day < cut, (day >= cut) & (day < cut + horizon)
        _write_cut(folder / "cuts" / name, user[past], item[past], cut - day[past])
        targets = {"user_index": user[wanted], "item_index": item[wanted]}
        targets |= {"quantity": np.ones(wanted.sum()), "is_repeat": np.zeros(wanted.sum(), bool)}
        _write(targets, schemas.TARGETS, wanted.sum(), folder / "cuts" / name / "targets.parquet")
    write_json(cuts, folder / "cuts.json")
    return folder


def _write_cut(folder: Path, user: np.ndarray, item: np.ndarray, ago: np.ndarray) -> None:
    order = np.lexsort((-ago, user))
    user, item, ago = user[order], item[order], ago[order]
    users, first = np.unique(user, return_index=True)
    number = np.arange(len(user)) - np.repeat(first, np.diff(np.append(first, len(user))))
    offsets = pa.array(np.append(first, len(user)), pa.int32())
    lists = {"item_index": item, "day": ago, "session": number, "event_type": np.full(len(item), 4)}
    columns = {
        key: pa.ListArray.from_arrays(
            offsets, pa.array(values).cast(schemas.SEQUENCES.field(key).type.value_type)
        )
        for key, values in lists.items()
    }
    _write({"user_index": users, **columns}, schemas.SEQUENCES, 0, folder / "sequences.parquet")
    pairs, sessions = np.unique(np.stack([user, item]), axis=1, return_counts=True)
    bought = {"user_index": pairs[0], "item_index": pairs[1], "sessions": sessions}
    _write(bought, schemas.USER_ITEM, len(sessions), folder / "user_item.parquet")
    seen = np.bincount(item, minlength=ITEMS)
    stats = {"item_index": range(ITEMS), "eligible": seen > 0, "sessions": seen}
    _write(stats, schemas.ITEM_STATS, ITEMS, folder / "item_stats.parquet")


def _write(columns: dict, schema: pa.Schema, rows: int, path: Path) -> None:
    arrays = [
        pa.array(columns[field.name], field.type)
        if field.name in columns
        else (pa.nulls(rows, field.type) if field.nullable else pa.array([0] * rows, field.type))
        for field in schema
    ]
    write_table(pa.Table.from_arrays(arrays, schema=schema), path)
