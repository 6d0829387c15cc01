"""From raw events to indexed lines: the one table that all features are computed from."""

import ibis
from ibis.expr.types import Table

from components import schemas
from components.params import PreparationParams

NOT_IN_SEQUENCES = ("impression", "search")


def with_sessions(events: Table, gap_minutes: int) -> Table:
    """Name a session where the data names none: a pause of `gap_minutes` starts a new one."""
    by_user = ibis.window(group_by="user_id", order_by=["timestamp", "event_id"])
    pause = events.timestamp.epoch_seconds() - events.timestamp.lag().over(by_user).epoch_seconds()
    starts = events.mutate(starts=(pause.isnull() | (pause > gap_minutes * 60)).cast("int32"))
    running = ibis.window(
        group_by="user_id", order_by=["timestamp", "event_id"], preceding=None, following=0
    )
    numbered = starts.mutate(number=starts.starts.sum().over(running))
    named = ibis.coalesce(
        numbered.session_id, numbered.user_id + "/" + numbered.number.cast("string")
    )
    return numbered.mutate(session_id=named).drop("starts", "number")


def item_lines(events: Table, params: PreparationParams) -> Table:
    """Return one row an event that tells of interest in an item.

    Columns: user_id, session_id, timestamp, item_id, event_type (code), is_target, quantity.
    """
    kept = events.filter(
        events.item_id.notnull(), events.event_type.notin(NOT_IN_SEQUENCES)
    )
    code = ibis.cases(
        *[(kept.event_type == name, i) for i, name in enumerate(schemas.EVENT_TYPES)]
    ).cast("int8")
    return kept.select(
        "user_id",
        "session_id",
        "event_id",
        "timestamp",
        "item_id",
        event_type=code,
        is_target=kept.event_type.isin(params.target_events),
        quantity=kept.value.fill_null(1.0),
    )


def catalogue(lines: Table, products: Table, before: ibis.Value, min_sessions: int) -> Table:
    """Return the eligible items with dense indexes: enough target sessions before `before`."""
    counted = lines.filter(lines.is_target, lines.timestamp < before)
    sessions = counted.group_by("item_id").aggregate(sessions=counted.session_id.nunique())
    eligible = sessions.filter(sessions.sessions >= min_sessions).select("item_id")
    joined = eligible.inner_join(products, "item_id")
    order = ibis.row_number().over(ibis.window(order_by=joined.item_id))
    return joined.mutate(item_index=order.cast("int32"))


def shoppers(lines: Table, items: Table, before: ibis.Value) -> Table:
    """Return the shoppers with any line on a catalogue item before `before`, indexed."""
    known = lines.filter(lines.timestamp < before).semi_join(items, "item_id")
    distinct = known.select("user_id").distinct()
    order = ibis.row_number().over(ibis.window(order_by=distinct.user_id))
    return distinct.mutate(user_index=order.cast("int32"))
