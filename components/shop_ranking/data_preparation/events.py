"""From raw events to indexed lines: the one table that all features are computed from.

Everything that depends on time is fixed by the past alone: sessions are numbered in order of
their start, shoppers in order of their first event, items in order of the moment they became
eligible. What happens after a cut can therefore never change a number a cut's tables hold.
"""

import ibis
from ibis.expr.types import IntegerColumn, StringValue, Table, TimestampColumn, TimestampValue

from components.platform import schemas
from components.platform.errors import DataError
from components.shop_ranking.params import PreparationParams

NOT_OF_INTEREST = ("impression", "search")  # shown or asked for, not chosen
QUANTITIES = ("purchase", "add_to_cart")  # event types whose value is a number of pieces


def seconds_of(timestamp: TimestampColumn) -> IntegerColumn:
    """Return whole seconds since 1970; a fraction is cut off, so the order at a cut is kept."""
    return timestamp.truncate("s").epoch_seconds().cast("int64")


def stripped(text: StringValue) -> StringValue:
    """Return text without white space around it.

    Not `strip`: what Ibis 12 makes of it for Spark also strips the letters v and f.
    """
    return text.re_replace(r"^[\s\x0b]+|[\s\x0b]+$", "")


def choose_targets(events: Table, params: PreparationParams) -> tuple[str, ...]:
    """Return the event types that count as a wanted item; by default the strongest there is.

    Raises:
        DataError: the events hold none of them.

    """
    rows = events.filter(events.item_id.notnull()).event_type.value_counts(name="n").to_pyarrow()
    counts = dict(zip(rows["event_type"].to_pylist(), rows["n"].to_pylist(), strict=True))
    strongest = [kind for kind in schemas.STRONGEST_FIRST if kind in counts][:1]
    wanted = params.target_events or strongest
    if not any(kind in counts for kind in wanted):
        raise DataError(
            f"events of type {' or '.join(params.target_events or schemas.STRONGEST_FIRST)} "
            "on items",
            ", ".join(f"{kind} ({count})" for kind, count in sorted(counts.items())) or "none",
            "set preparation.target_events to types the data has, or check preparation.as_of",
        )
    return tuple(wanted)


def with_sessions(events: Table, gap_minutes: int) -> Table:
    """Name a session where the data names none: a pause of more than `gap_minutes` starts one."""
    if events.count(where=events.session_id.isnull()).to_pyarrow().as_py() == 0:
        return events
    order = ["timestamp", "event_id"]
    by_user = ibis.window(group_by="user_id", order_by=order)
    second = seconds_of(events.timestamp)
    pause = second - second.lag().over(by_user)
    starts = events.mutate(starts=(pause.isnull() | (pause > gap_minutes * 60)).cast("int32"))
    running = ibis.window(group_by="user_id", order_by=order, preceding=None, following=0)
    numbered = starts.mutate(number=starts.starts.sum().over(running))
    named = ibis.coalesce(numbered.session_id, "gap/" + numbered.number.cast("string"))
    return numbered.mutate(session_id=named).drop("starts", "number")


def item_lines(events: Table, target_events: tuple[str, ...]) -> Table:
    """Return one row an event that tells of interest in an item.

    Columns: user_id, session_id, event_id, timestamp, item_id, event_type (code), is_target,
    quantity (pieces; 1 where the event's value is none).
    """
    kept = events.filter(events.item_id.notnull(), events.event_type.notin(NOT_OF_INTEREST))
    code = ibis.cases(
        *[(kept.event_type == name, i) for i, name in enumerate(schemas.EVENT_TYPES)]
    ).cast("int8")
    pieces = ibis.ifelse(kept.event_type.isin(QUANTITIES), kept.value, ibis.null("float32"))
    return kept.select(
        "user_id",
        "session_id",
        "event_id",
        "timestamp",
        "item_id",
        event_type=code,
        is_target=kept.event_type.isin(target_events),
        quantity=pieces.fill_null(1.0),
    )


def shoppers(lines: Table, before: TimestampValue) -> Table:
    """Return user_id, user_index of the shoppers with a line before `before`, first come first."""
    seen = lines.group_by("user_id").aggregate(first=lines.timestamp.min())
    known = seen.filter(seen["first"] < before)
    index = ibis.row_number().over(ibis.window(order_by=[known["first"], known.user_id]))
    return known.select("user_id", user_index=index.cast("int32"))


def with_indexes(lines: Table, products: Table, users: Table) -> Table:
    """Number shoppers, sessions and products; mark the first target line of every visit.

    Columns: user_index, product (row of the sorted products), session (0.. within the shopper by
    start), timestamp, second, event_type, is_target, is_visit, quantity. A visit is a
    (shopper, product, session) with a target event; products the catalogue lacks are left out.
    """
    row = ibis.row_number().over(ibis.window(order_by=products.item_id))
    known = lines.inner_join(products.select("item_id", product=row.cast("int32")), "item_id")
    known = known.inner_join(users, "user_id")
    started = known.group_by("user_index", "session_id").aggregate(start=known.timestamp.min())
    session = ibis.row_number().over(
        ibis.window(group_by="user_index", order_by=[started.start, started.session_id])
    )
    numbered = started.mutate(session=session.cast("int32")).drop("start")
    dense = known.inner_join(numbered, ["user_index", "session_id"])
    place = ibis.row_number().over(
        ibis.window(
            group_by=["user_index", "session", "product", "is_target"],
            order_by=[dense.timestamp, dense.event_id],
        )
    )
    return dense.select(
        "user_index",
        "product",
        "session",
        "timestamp",
        "event_type",
        "is_target",
        "quantity",
        second=seconds_of(dense.timestamp),
        is_visit=dense.is_target & (place == 0),
    )


def catalogue(dense: Table, products: Table, before: TimestampValue, min_sessions: int) -> Table:
    """Return the products that are eligible at `before`, with item_index and eligible_since.

    `eligible_since` is the start of the visit that made `min_sessions`; items that were eligible
    earlier have the lower index, so a later event never moves an earlier item.
    """
    visits = dense.filter(dense.is_visit, dense.timestamp < before)
    nth = ibis.row_number().over(
        ibis.window(
            group_by="product", order_by=[visits.timestamp, visits.user_index, visits.session]
        )
    )
    reached = visits.mutate(nth=nth).filter(lambda row: row.nth == min_sessions - 1)
    row = ibis.row_number().over(ibis.window(order_by=products.item_id))
    known = products.mutate(product=row.cast("int32"))
    joined = known.inner_join(
        reached.select("product", eligible_since=reached.timestamp), "product"
    )
    index = ibis.row_number().over(ibis.window(order_by=[joined.eligible_since, joined.item_id]))
    return joined.mutate(item_index=index.cast("int32"))
