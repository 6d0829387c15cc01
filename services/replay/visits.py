"""What a replay repeats: who came when, what they asked for, what they bought and rated."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import duckdb

from components.platform.errors import DataError

BUCKETS = 1_000_000  # a shopper's place among these decides whether it takes part: see the SQL


@dataclass(frozen=True)
class Line:
    """One item of a basket."""

    item_id: str
    quantity: float
    price: float | None  # paid for one


@dataclass(frozen=True)
class Visit:
    """One visit to the shop; `key` is the id of the order, or of a simulated session."""

    key: str
    user_id: str  # pseudonym
    moment: datetime
    query: str  # "" for a visit without a search
    basket: tuple[Line, ...]  # everything that was really bought
    habits: tuple[Line, ...]  # the part that is bought whatever the shop shows


@dataclass(frozen=True)
class Rating:
    """Stars that a shopper gave, outside any visit."""

    key: str  # id of the event in the tables
    user_id: str  # pseudonym
    moment: datetime
    item_id: str
    stars: float


class NoVisitsError(DataError):
    """The tables are whole, and nobody comes in the window."""


def read_visits(
    tables: Path,
    since: datetime,
    until: date | None = None,
    share: float = 1.0,
    seed: int = 0,
    simulated: bool = False,
) -> list[Visit]:
    """Return the visits from `since` on and before the day `until`, in time order.

    `share` is the part of the shoppers that takes part: the same ones for the same seed.

    Raises:
        DataError: the folder lacks the tables.
        NoVisitsError: there is no visit in the window.

    """
    query = _SESSIONS if simulated else _ORDERS
    rows = _read(query, tables, since, until, share, seed)
    if not rows:
        raise NoVisitsError(
            f"visits in {tables} from {since:%Y-%m-%d %H:%M} on", "none", "choose earlier days"
        )
    return [
        Visit(**row | {"basket": _lines(row["basket"]), "habits": _lines(row["habits"])})
        for row in rows
    ]


def read_ratings(
    tables: Path,
    since: datetime,
    until: date | None = None,
    share: float = 1.0,
    seed: int = 0,
    simulated: bool = False,
) -> list[Rating]:
    """Return the ratings of the same window and shoppers, in time order.

    Of simulated shoppers only those of what they buy from habit: what else they buy depends on
    what they are shown, so they may never have had the item that they rated in the tables.

    Raises:
        DataError: the folder lacks the tables.

    """
    query = _RATINGS + (_OF_HABITS if simulated else "") + " order by moment, key"
    return [Rating(**row) for row in _read(query, tables, since, until, share, seed)]


def _read(
    query: str, tables: Path, since: datetime, until: date | None, share: float, seed: int
) -> list[dict[str, Any]]:
    needed = [tables / f"{name}.parquet" for name in ("orders", "events")]
    lacking = [str(path) for path in needed if not path.is_file()]
    if lacking:
        raise DataError(f"tables in {tables}", f"no {lacking[0]}", "run the training first")
    last = datetime.combine(until, time(), UTC) if until else datetime.max.replace(tzinfo=UTC)
    window = {"since": since, "until": last, "seed": seed, "most": share * BUCKETS}
    with duckdb.connect() as con:
        con.execute("set timezone = 'UTC'")
        for path in needed:
            con.read_parquet(str(path)).create_view(path.stem)
        return con.execute(query, window).to_arrow_table().to_pylist()


def is_simulated(tables: Path) -> bool:
    """Tell whether ingestion noted that the shoppers of these tables are simulated.

    Raises:
        DataError: the folder has no account of its ingestion.

    """
    try:
        return bool(json.loads((tables / "ingestion.json").read_text())["simulated"])
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"the account in {tables / 'ingestion.json'}", str(error), "run the training first"
        ) from error


def _lines(lines: list[dict[str, Any]] | None) -> tuple[Line, ...]:
    return tuple(Line(**line) for line in lines or ())


# A basket that was only brought back (no quantity above 0) is no visit.
_ORDERS = """
with bought as (
    select order_id, user_id, min(timestamp) as moment, item_id, sum(quantity) as quantity,
        sum(quantity * unit_price) / sum(quantity) as price
    from orders where quantity > 0 and timestamp >= $since and timestamp < $until
        and hash(user_id || '/' || $seed) % 1000000 < $most
    group by order_id, user_id, item_id)
select order_id as key, user_id, min(moment) as moment, '' as query,
    list({item_id: item_id, quantity: quantity, price: price} order by item_id) as basket,
    list({item_id: item_id, quantity: quantity, price: price} order by item_id) as habits
from bought group by order_id, user_id order by moment, key"""

# What was bought after a click carries the surface it was shown on; a habit has none.
_SESSIONS = """
with visits as (
    select session_id, user_id, min(timestamp) as moment, coalesce(max(query), '') as query
    from events where session_id is not null and timestamp >= $since and timestamp < $until
        and hash(user_id || '/' || $seed) % 1000000 < $most
    group by session_id, user_id),
priced as (
    select user_id, item_id, timestamp, min(unit_price) as price from orders group by all),
bought as (
    select session_id, item_id, sum(value) as quantity, min(price) as price,
        bool_and(surface is null) as habit
    from events left join priced using (user_id, item_id, timestamp)
    where event_type = 'purchase' group by session_id, item_id)
select session_id as key, any_value(user_id) as user_id, any_value(moment) as moment,
    any_value(query) as query,
    list({item_id: item_id, quantity: quantity, price: price} order by item_id)
        filter (item_id is not null) as basket,
    list({item_id: item_id, quantity: quantity, price: price} order by item_id)
        filter (habit) as habits
from visits left join bought using (session_id) group by session_id
order by moment, key"""

_RATINGS = """
select event_id as key, user_id, timestamp as moment, item_id, value::double as stars
from events where event_type = 'rating' and timestamp >= $since and timestamp < $until
    and hash(user_id || '/' || $seed) % 1000000 < $most"""
_OF_HABITS = """
    and (user_id, item_id) in (select (user_id, item_id) from events
        where event_type = 'purchase' and surface is null)"""
