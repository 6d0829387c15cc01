"""Sequences, targets and what goes together: the tables of a cut that models learn from."""

import ibis
import pyarrow as pa
import pyarrow.compute as pc
from ibis.expr.types import Table

from components.platform import schemas
from components.shop_ranking.data_preparation.cuts import Cut
from components.shop_ranking.data_preparation.events import stripped
from components.shop_ranking.data_preparation.features import DAY, before, exact_sum
from components.shop_ranking.params import PreparationParams


def ordered_lines(lines: Table, cut: Cut) -> Table:
    """Lines before the cut by shopper and time; `day` is their age in days, > 0."""
    past = before(lines, cut)
    return past.order_by("user_index", "timestamp", "session", "item_index", "event_type").select(
        "user_index",
        "item_index",
        "session",
        "event_type",
        day=((cut.second - past.second) / DAY).cast("float32"),
    )


def as_sequences(ordered: pa.Table) -> pa.Table:
    """Fold rows ordered by shopper into one row a shopper with lists."""
    user = ordered["user_index"].combine_chunks()
    runs = pc.run_end_encode(user)
    ends = runs.run_ends.cast(pa.int32())
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends])
    columns = [runs.values]
    for field in list(schemas.SEQUENCES)[1:]:
        values = ordered[field.name].combine_chunks().cast(field.type.value_type)
        columns.append(pa.ListArray.from_arrays(offsets, values).cast(field.type))
    return pa.Table.from_arrays(columns, schema=schemas.SEQUENCES)


def targets(lines: Table, state: Table, cut: Cut) -> Table:
    """What each shopper wanted in [cut, cut + horizon), of the items eligible at the cut."""
    start, end = ibis.literal(cut.start), ibis.literal(cut.end)
    wanted = lines.filter(
        lines.is_target, lines.timestamp >= start, lines.timestamp < end,
        lines.eligible_since < start,
    )  # fmt: skip
    wanted = wanted.group_by("user_index", "item_index").aggregate(
        quantity=exact_sum(wanted.quantity)
    )
    owned = state.select("user_index", "item_index")
    joined = wanted.left_join(owned, ["user_index", "item_index"])
    return joined.select(
        "user_index", "item_index", "quantity", is_repeat=joined.item_index_right.notnull()
    ).order_by("user_index", "item_index")


def item_pairs(lines: Table, cut: Cut, params: PreparationParams) -> Table:
    """Items of one session, both directions, the strongest by lift x sqrt(sessions) an item."""
    visits = before(lines, cut).filter(lambda row: row.is_visit)
    visits = visits.select("user_index", "session", "item_index")
    basket = ["user_index", "session"]
    sizes = visits.group_by(basket).aggregate(size=visits.count())
    small = visits.semi_join(sizes.filter(sizes["size"] <= params.pair_basket_items), basket)
    other = small.view()
    both = small.inner_join(
        other, [*basket, small.item_index < other.item_index], rname="other_{name}"
    )
    counted = both.group_by("item_index", other_index=both.other_item_index).aggregate(
        sessions=both.count()
    )
    counted = counted.filter(counted.sessions >= params.pair_sessions).cache()
    mirrored = counted.select(
        item_index=counted.other_index, other_index=counted.item_index, sessions=counted.sessions
    )
    pairs = counted.union(mirrored)
    alone = small.group_by("item_index").aggregate(alone=small.count())
    total = sizes.filter(sizes["size"] <= params.pair_basket_items).count().as_scalar()
    theirs = alone.select(other_index=alone.item_index, other_alone=alone.alone)
    scored = pairs.inner_join(alone, "item_index").inner_join(theirs, "other_index")
    scored = scored.mutate(lift=scored.sessions * total / (scored.alone * scored.other_alone))
    strength = ibis.desc(scored.lift * scored.sessions.sqrt())
    rank = ibis.row_number().over(
        ibis.window(group_by="item_index", order_by=[strength, scored.other_index])
    )
    ranked = scored.mutate(rank=rank)
    return ranked.filter(ranked["rank"] < params.pairs_per_item).order_by("item_index", "rank")


def asked_items(events: Table, items: Table) -> Table:
    """Clicks, cart additions and purchases that name the query they came from."""
    query = stripped(events.query).lower().nullif("")
    asked = events.mutate(query=query).filter(
        query.notnull(), events.event_type.isin(["click", "add_to_cart", "purchase"])
    )
    return asked.inner_join(
        items.select("item_id", "item_index", "eligible_since"), "item_id"
    ).select("query", "item_index", "timestamp", "eligible_since")


def query_items(asked: Table, cut: Cut) -> Table:
    """Queries (lower case) and how often each item was chosen after them before the cut."""
    past = before(asked, cut)
    return (
        past.group_by("query", "item_index")
        .aggregate(clicks=past.count())
        .order_by("query", "item_index")
    )
