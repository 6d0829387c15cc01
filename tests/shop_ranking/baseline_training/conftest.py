"""A shop of two camps whose right answers are known.

Camp 0 buys items 0..9, camp 1 items 10..19, weekly; nobody buys across. Shopper u never buys item
`missing[u]` of the own camp and buys `favourite[u]` three times as often as the rest. Item 20 is
bought by hardly anyone and is not eligible. After every cut each shopper buys both.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from components.platform import schemas
from components.platform.files import write_json, write_table
from components.shop_ranking.baseline_training.interface import CutData

CAMP, SHOPPERS, ITEMS = 10, 60, 21
NAMES = ("fit_1", "fit_2", "validation", "test")
PURCHASE = schemas.EVENT_TYPES.index("purchase")
VIEW = schemas.EVENT_TYPES.index("view")


@dataclass(frozen=True)
class Camps:
    prepared: Path
    missing: np.ndarray  # (SHOPPERS,)
    favourite: np.ndarray  # (SHOPPERS,)

    def cuts(self) -> dict[str, CutData]:
        return {name: CutData(self.prepared, name, ("purchase",)) for name in NAMES}


@pytest.fixture(scope="session")
def camps(tmp_path_factory: pytest.TempPathFactory) -> Camps:
    return write_camps(tmp_path_factory.mktemp("camps"))


def write_camps(prepared: Path) -> Camps:
    shopper = np.arange(SHOPPERS)
    camp = shopper % 2
    missing = camp * CAMP + (shopper // 2) % CAMP
    favourite = camp * CAMP + (shopper // 2 + 3) % CAMP
    _write({"item_index": np.arange(ITEMS)}, {"item_index": pa.int32()}, prepared / "items.parquet")
    users = {"user_index": shopper}
    _write(users, {"user_index": pa.int32()}, prepared / "users.parquet")
    roles = ("fit", "fit", "validation", "test")
    write_json(
        [{"name": n, "role": r, "target_events": ["purchase"]}
         for n, r in zip(NAMES, roles, strict=True)],
        prepared / "cuts.json",
    )  # fmt: skip
    for number, name in enumerate(NAMES):
        _write_cut(prepared / "cuts" / name, camp, missing, favourite, weeks=10 + 4 * number)
    return Camps(prepared, missing, favourite)


def _write_cut(
    folder: Path, camp: np.ndarray, missing: np.ndarray, favourite: np.ndarray, weeks: int
) -> None:
    """Each week is a session; the favourite is bought weekly, another item every third week."""
    grid = np.stack(np.meshgrid(np.arange(SHOPPERS), np.arange(ITEMS - 1), np.arange(weeks),
                                indexing="ij")).reshape(3, -1)  # fmt: skip
    user, item, week = grid
    bought = (item // CAMP == camp[user]) & (item != missing[user])
    bought &= (item == favourite[user]) | ((week + item + user) % 3 == 0)
    user, item, week = (
        np.append(user[bought], 0),
        np.append(item[bought], ITEMS - 1),
        np.append(week[bought], 0),
    )
    order = np.lexsort((item, week, user))
    user, item, week = user[order], item[order], week[order]
    age = (7.0 * (weeks - week)).astype(np.float32)
    starts = np.searchsorted(user, np.arange(SHOPPERS + 1))
    # Every session ends with a view of something else, which no baseline may count.
    columns = {"item_index": item, "day": age, "session": week,
               "event_type": np.full(len(user), PURCHASE)}  # fmt: skip
    lists = {name: np.split(values, starts[1:-1]) for name, values in columns.items()}
    lists["item_index"] = [np.append(x, 0) for x in lists["item_index"]]
    lists["day"] = [np.append(x, 0.5) for x in lists["day"]]
    lists["session"] = [np.append(x, weeks) for x in lists["session"]]
    lists["event_type"] = [np.append(x, VIEW) for x in lists["event_type"]]
    write_table(
        pa.table({"user_index": np.arange(SHOPPERS), **{n: list(v) for n, v in lists.items()}})
        .cast(schemas.SEQUENCES),
        folder / "sequences.parquet",
    )  # fmt: skip
    pairs, place = np.unique(user * ITEMS + item, return_inverse=True)
    count = np.bincount(place)
    last = np.full(len(pairs), np.inf)
    np.minimum.at(last, place, age)
    first = np.zeros(len(pairs))
    np.maximum.at(first, place, age)
    decayed = {f"decayed_{h}": np.bincount(place, 2.0 ** (-age / h)) for h in (14, 45, 120)}
    _write(
        {"user_index": pairs // ITEMS, "item_index": pairs % ITEMS, "sessions": count,
         "interactions": count, "quantity": count, "spend": count, "days_since_first": first,
         "days_since_last": last, **decayed, "discounted_share": np.zeros(len(pairs))},
        {f.name: f.type for f in schemas.USER_ITEM}, folder / "user_item.parquet",
    )  # fmt: skip
    _write_stats(folder, user, item, age, weeks)
    wanted = np.concatenate([favourite, missing])
    _write(
        {"user_index": np.tile(np.arange(SHOPPERS), 2), "item_index": wanted,
         "quantity": np.ones(2 * SHOPPERS), "is_repeat": np.arange(2 * SHOPPERS) < SHOPPERS},
        {f.name: f.type for f in schemas.TARGETS}, folder / "targets.parquet",
    )  # fmt: skip


def _write_stats(
    folder: Path, user: np.ndarray, item: np.ndarray, age: np.ndarray, weeks: int
) -> None:
    def items(keep: np.ndarray) -> np.ndarray:
        return np.bincount(item[keep], minlength=ITEMS)

    every = items(age > 0)
    recent = {f"sessions_{days}": items(age <= days) for days in (7, 28, 91)}
    number = np.arange(ITEMS)
    stats = {"item_index": number, "eligible": number < ITEMS - 1, "sessions": every,
             "users": np.minimum(every, SHOPPERS // 2), **recent}  # fmt: skip
    rest = {f.name: np.ones(ITEMS) for f in schemas.ITEM_STATS if f.name not in stats}
    types = {f.name: f.type for f in schemas.ITEM_STATS}
    _write(stats | rest, types, folder / "item_stats.parquet")
    shopper = np.arange(SHOPPERS)
    known = {"user_index": shopper, "sessions": np.full(SHOPPERS, weeks),
             "items": np.full(SHOPPERS, CAMP - 1)}  # fmt: skip
    rest = {f.name: np.ones(SHOPPERS) for f in schemas.USER_STATS if f.name not in known}
    _write(known | rest, {f.name: f.type for f in schemas.USER_STATS},
           folder / "user_stats.parquet")  # fmt: skip


def _write(columns: dict[str, np.ndarray], types: dict[str, pa.DataType], path: Path) -> None:
    write_table(pa.table({n: pa.array(c).cast(types[n]) for n, c in columns.items()}), path)
