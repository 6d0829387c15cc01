"""The simulated world: tables in the data contract, and the truth behind them."""

from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

import numpy as np
import pyarrow as pa

from components.platform import schemas
from components.shop_ranking.data_ingestion.adapter import ImagesKind
from components.shop_ranking.data_ingestion.simulator.catalogue import (
    START,
    Catalogue,
    brought,
    rendered,
)
from components.shop_ranking.data_ingestion.simulator.shoppers import Truth, make_shoppers
from components.shop_ranking.data_ingestion.simulator.visits import (
    Shown,
    Visits,
    habit_buys,
    make_visits,
    show,
    with_tasted,
)
from components.shop_ranking.params import DataParams, SimulationParams

POLICY = "sim-policy"  # model_version of every impression
PROMOTED_SHARE = 0.1  # of items in a week
DISCOUNT = 0.2
RATED_SHARE = 0.3  # of purchases


@dataclass(frozen=True)
class World:
    """Contract tables (products, images, events, orders), the truth, and whose pictures it has."""

    tables: dict[str, pa.Table]
    truth: Truth
    images: ImagesKind


def simulate(params: DataParams) -> World:
    """Make the world of `params.simulation`; the same params give the same bytes.

    With `params.path`, a folder of ingested tables, its products and pictures are the catalogue.

    Raises:
        DataError: the folder has no products with pictures.

    """
    size = params.simulation
    rng = np.random.default_rng(size.seed)
    catalogue = brought(Path(params.path), size) if params.path else rendered(size, rng)
    truth = make_shoppers(catalogue, size, rng)
    visits = make_visits(truth, catalogue, size, rng)
    promoted = rng.random((size.days // 7 + 1, len(truth.item_ids))) < PROMOTED_SHARE
    shown = show(visits, truth, catalogue, promoted, rng)
    truth = with_tasted(truth, visits, shown)
    buys = _buys(visits, shown, habit_buys(visits, truth, size, rng))
    events = pa.concat_tables(
        [
            _searches(visits, truth),
            *_reactions(visits, shown, truth),
            _purchases(visits, buys, truth),
            _ratings(visits, buys, truth, size, rng),
        ]
    )
    tables = {
        "products": catalogue.products,
        "images": catalogue.images,
        "events": _numbered(events),
        "orders": _orders(visits, buys, truth, catalogue, promoted),
    }
    return World(tables, truth, catalogue.pictured_by)


@dataclass(frozen=True)
class _Buys:
    """One row a (visit, item) bought."""

    visit: np.ndarray
    item: np.ndarray
    taste: np.ndarray  # bool: after a click; False: out of habit


def _buys(visits: Visits, shown: Shown, habit: tuple[np.ndarray, np.ndarray]) -> _Buys:
    visit = np.concatenate([shown.visit[shown.bought], habit[0]])
    item = np.concatenate([shown.item[shown.bought], habit[1]])
    taste = np.arange(len(visit)) < shown.bought.sum()
    _, first = np.unique(np.stack([visit, item], 1), axis=0, return_index=True)
    return _Buys(visit[first], item[first], taste[first])


def _events(
    kind: str, visits: Visits, visit: np.ndarray, offset: np.ndarray | int, truth: Truth,
    **columns: pa.Array | np.ndarray | None,
) -> pa.Table:  # fmt: skip
    """Return contract events of one type, `offset` seconds after their visits began."""
    count = len(visit)
    surface = np.where(visits.query[visit] == "", "recommendations", "search")
    query = pa.array(visits.query[visit], mask=visits.query[visit] == "")
    values = {
        "event_id": pa.array([""] * count),
        "user_id": truth.user_ids[visits.user[visit]],
        "session_id": _session(visit),
        "timestamp": _timestamps(visits.day[visit] * 86400 + visits.second[visit] + offset),
        "event_type": pa.array([kind] * count),
        "query": query,
        "surface": surface,
        **columns,
    }
    arrays = [
        pa.nulls(count, field.type) if values.get(field.name) is None
        else pa.array(values[field.name]).cast(field.type)
        for field in schemas.EVENTS
    ]  # fmt: skip
    return pa.table(arrays, schema=schemas.EVENTS)


def _session(visit: np.ndarray) -> np.ndarray:
    return np.char.add("sim-s-", np.char.zfill(visit.astype(str), 7))


def _timestamps(seconds: np.ndarray) -> pa.Array:
    start = int(START.astimezone(UTC).timestamp())
    return pa.array((start + seconds.astype(np.int64)) * 1_000_000).cast(schemas.UTC)


def _searches(visits: Visits, truth: Truth) -> pa.Table:
    return _events("search", visits, np.flatnonzero(visits.query != ""), 0, truth)


def _reactions(visits: Visits, shown: Shown, truth: Truth) -> list[pa.Table]:
    version = np.full(len(shown.visit), POLICY)
    tables = []
    for kind, rows, delay in (
        ("impression", np.ones(len(shown.visit), bool), 1),
        ("click", shown.clicked, 20),
    ):
        tables.append(
            _events(
                kind, visits, shown.visit[rows], delay * (1 + shown.position[rows]), truth,
                item_id=truth.item_ids[shown.item[rows]],
                position=shown.position[rows],
                propensity=shown.propensity[rows] if kind == "impression" else None,
                model_version=version[rows],
            )
        )  # fmt: skip
    return tables


def _purchases(visits: Visits, buys: _Buys, truth: Truth) -> pa.Table:
    """A purchase after a click keeps the visit's query and surface; a habit has neither."""
    asked = visits.query[buys.visit]
    query = pa.array(asked, mask=(asked == "") | ~buys.taste)
    surface = pa.array(np.where(asked == "", "recommendations", "search"), mask=~buys.taste)
    return _events(
        "purchase", visits, buys.visit, 600, truth,
        item_id=truth.item_ids[buys.item], query=query, surface=surface,
        value=np.ones(len(buys.visit)),
    )  # fmt: skip


def _ratings(
    visits: Visits, buys: _Buys, truth: Truth, size: SimulationParams, rng: np.random.Generator
) -> pa.Table:
    """Stars from the taste of the shopper, some days later, outside any visit."""
    days = rng.integers(1, 6, len(buys.visit))
    rated = rng.random(len(buys.visit)) < RATED_SHARE
    rated &= visits.day[buys.visit] + days < size.days
    user, item = visits.user[buys.visit], buys.item
    liking = 3.4 + 0.35 * (truth.text + truth.picture)[user, item]
    stars = np.clip(np.round(liking + rng.normal(0, 0.5, len(liking))), 1, 5)
    count = int(rated.sum())
    nothing = pa.nulls(count, pa.string())
    return _events(
        "rating", visits, buys.visit[rated], days[rated] * 86400, truth,
        item_id=truth.item_ids[item[rated]], value=stars[rated],
        session_id=nothing, query=nothing, surface=nothing,
    )  # fmt: skip


def _numbered(events: pa.Table) -> pa.Table:
    """Sort by time and number the events."""
    keys = ["timestamp", "user_id", "event_type", "item_id", "position"]
    ordered = events.sort_by([(key, "ascending") for key in keys])
    number = np.char.zfill(np.arange(ordered.num_rows).astype(str), 9)
    return ordered.set_column(0, schemas.EVENTS.field("event_id"), [np.char.add("sim-e-", number)])


def _orders(
    visits: Visits, buys: _Buys, truth: Truth, catalogue: Catalogue, promoted: np.ndarray
) -> pa.Table:
    day, second = visits.day[buys.visit], visits.second[buys.visit]
    price = catalogue.price[buys.item]
    off = np.where(promoted[day // 7, buys.item], DISCOUNT * price, 0.0)
    columns = {
        "order_id": np.char.replace(_session(buys.visit), "sim-s-", "sim-o-"),
        "user_id": truth.user_ids[visits.user[buys.visit]],
        "timestamp": _timestamps(day * 86400 + second + 600),
        "item_id": truth.item_ids[buys.item],
        "quantity": np.ones(len(price), np.float32),
        "unit_price": np.round(price - off, 2).astype(np.float32),
        "discount": np.round(off, 2).astype(np.float32),
    }
    table = pa.table(columns).cast(schemas.ORDERS)
    return table.sort_by([(key, "ascending") for key in ("timestamp", "user_id", "item_id")])
