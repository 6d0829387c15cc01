"""Per-cut tables as Ibis expressions; every input is filtered to before the cut first.

`lines` has user_index, item_index, session (dense, global), timestamp, event_type, is_target,
quantity; `orders` has user_index, item_index, timestamp, quantity, unit_price, discount. Both
hold catalogue items and known shoppers only.
"""

import ibis
from ibis.expr.types import Table, Value

from components.data_preparation.cuts import Cut

HALF_LIVES_DAYS = (14, 45, 120)
MAX_BASKET_FOR_PAIRS = 100
PAIRS_PER_ITEM = 20
MIN_PAIR_SESSIONS = 3


def age_in_days(timestamp: Value, cut: Cut) -> Value:
    """Days from the event to the cut, > 0 before it."""
    return (cut.start.timestamp() - timestamp.epoch_seconds()) / 86400.0


def before(table: Table, cut: Cut) -> Table:
    """Keep what was known before the cut and give it an `age` in days."""
    known = table.filter(table.timestamp < ibis.literal(cut.start))
    return known.mutate(age=age_in_days(known.timestamp, cut))


def enrich(left: Table, right: Table, *keys: str) -> Table:
    """Left join that keeps one copy of the keys."""
    joined = left.left_join(right, list(keys))
    return joined.drop(*[f"{key}_right" for key in keys])


def sequences(lines: Table, cut: Cut) -> Table:
    """One row a shopper, lists in time order."""
    past = before(lines, cut)
    dense = ibis.dense_rank().over(
        ibis.window(group_by="user_index", order_by=[past.session_start, past.session])
    )
    past = past.mutate(dense=dense.cast("int32"))
    order = [past.timestamp, past.session, past.item_index, past.event_type]
    return past.group_by("user_index").aggregate(
        item_index=past.item_index.collect(order_by=order),
        day=past.age.cast("float32").collect(order_by=order),
        session=past.dense.collect(order_by=order),
        event_type=past.event_type.collect(order_by=order),
    ).order_by("user_index")


def item_sessions(lines: Table, cut: Cut) -> Table:
    """One row a (shopper, item, session) with a target event before the cut."""
    past = before(lines, cut).filter(lambda row: row.is_target)
    return past.group_by("user_index", "item_index", "session").aggregate(
        age=past.age.min(), quantity=past.quantity.sum()
    )


def user_item(lines: Table, orders: Table, cut: Cut) -> Table:
    """State of each pair with a target event before the cut."""
    visits = item_sessions(lines, cut)
    decays = {
        f"decayed_{days}": (ibis.literal(2.0) ** (-visits.age / days)).sum()
        for days in HALF_LIVES_DAYS
    }
    state = visits.group_by("user_index", "item_index").aggregate(
        sessions=visits.session.nunique(),
        quantity=visits.quantity.sum(),
        days_since_first=visits.age.max(),
        days_since_last=visits.age.min(),
        **decays,
    )
    past = before(lines, cut)
    every = past.group_by("user_index", "item_index").aggregate(interactions=past.count())
    paid = before(orders, cut)
    money = paid.group_by("user_index", "item_index").aggregate(
        spend=(paid.unit_price * paid.quantity).sum(),
        discounted_share=(paid.discount > 0).cast("float32").mean(),
    )
    pair = ["user_index", "item_index"]
    joined = enrich(enrich(state, every, *pair), money, *pair)
    return joined.mutate(
        spend=joined.spend.fill_null(0.0), discounted_share=joined.discounted_share.fill_null(0.0)
    ).order_by(pair)


def item_stats(lines: Table, orders: Table, items: Table, cut: Cut, min_sessions: int) -> Table:
    """Popularity, repetition, price and discount of every catalogue item before the cut."""
    visits = item_sessions(lines, cut)
    counts = visits.group_by("item_index").aggregate(
        sessions=visits.session.nunique(),
        users=visits.user_index.nunique(),
        days_since_first=visits.age.max(),
        **{
            f"sessions_{days}": visits.session.nunique(where=visits.age <= days)
            for days in (7, 28, 91)
        },
    )
    pairs = visits.group_by("user_index", "item_index").aggregate(
        bought=visits.session.nunique(), span=visits.age.max() - visits.age.min()
    )
    repeats = pairs.group_by("item_index").aggregate(
        repeat_rate=(pairs.bought >= 2).cast("float32").mean(),
        mean_gap_days=pairs.span.sum() / (pairs.bought - 1).sum().nullif(0),
    )
    paid = before(orders, cut)
    recent = paid.age <= 28
    money = paid.group_by("item_index").aggregate(
        mean_price=paid.unit_price.mean(),
        price_28=paid.unit_price.mean(where=recent),
        discounted_share=(paid.discount > 0).cast("float32").mean(),
        discounted_share_28=(paid.discount > 0).cast("float32").mean(where=recent),
    )
    joined = items.select("item_index")
    for part in (counts, repeats, money):
        joined = enrich(joined, part, "item_index")
    zero = ["sessions", "users", "sessions_7", "sessions_28", "sessions_91", "repeat_rate",
            "discounted_share", "discounted_share_28"]
    filled = joined.mutate(**{name: joined[name].fill_null(0) for name in zero})
    return filled.mutate(eligible=filled.sessions >= min_sessions).order_by("item_index")


def user_stats(lines: Table, orders: Table, cut: Cut) -> Table:
    """Activity, basket, repetition, price and discount of every shopper before the cut."""
    visits = item_sessions(lines, cut)
    counts = visits.group_by("user_index").aggregate(
        sessions=visits.session.nunique(),
        items=visits.item_index.nunique(),
        visited=visits.count(),
        days_since_first=visits.age.max(),
        days_since_last=visits.age.min(),
    )
    paid = before(orders, cut)
    money = paid.group_by("user_index").aggregate(
        discounted_share=(paid.discount > 0).cast("float32").mean(),
        mean_price=paid.unit_price.mean(),
    )
    joined = enrich(counts, money, "user_index")
    return joined.mutate(
        mean_basket=joined.visited / joined.sessions,
        mean_gap_days=(joined.days_since_first - joined.days_since_last)
        / (joined.sessions - 1).nullif(0),
        repeat_share=1.0 - joined["items"] / joined.visited,
    ).order_by("user_index")


def targets(lines: Table, stats: Table, cut: Cut) -> Table:
    """What each shopper wanted in the horizon after the cut, eligible items only."""
    wanted = lines.filter(
        lines.is_target,
        lines.timestamp >= ibis.literal(cut.start),
        lines.timestamp < ibis.literal(cut.end),
    ).semi_join(stats.filter(stats.eligible), "item_index")
    wanted = wanted.group_by("user_index", "item_index").aggregate(quantity=wanted.quantity.sum())
    owned = item_sessions(lines, cut).select("user_index", "item_index").distinct()
    joined = wanted.left_join(owned, ["user_index", "item_index"])
    return joined.select(
        "user_index", "item_index", "quantity", is_repeat=joined.item_index_right.notnull()
    ).order_by("user_index", "item_index")


def item_pairs(lines: Table, cut: Cut) -> Table:
    """Items of one session, both directions, the strongest by lift x sqrt(sessions) an item."""
    visits = item_sessions(lines, cut).select("session", "item_index")
    small = visits.group_by("session").having(visits.count() <= MAX_BASKET_FOR_PAIRS).aggregate()
    basket = visits.semi_join(small, "session")
    other = basket.view()
    both = basket.join(other, "session", rname="other_{name}")
    both = both.filter(both.item_index != both.other_item_index)
    pairs = both.group_by("item_index", other_index=both.other_item_index).aggregate(
        sessions=both.count()
    )
    pairs = pairs.filter(pairs.sessions >= MIN_PAIR_SESSIONS)
    alone = basket.group_by("item_index").aggregate(alone=basket.count())
    total = basket.session.nunique().as_scalar()
    mine = pairs.join(alone, "item_index")
    theirs = alone.rename(other_index="item_index", other_alone="alone")
    scored = mine.join(theirs, "other_index")
    scored = scored.mutate(lift=scored.sessions * total / (scored.alone * scored.other_alone))
    rank = ibis.row_number().over(
        ibis.window(
            group_by="item_index",
            order_by=[ibis.desc(scored.lift * scored.sessions.sqrt()), scored.other_index],
        )
    )
    ranked = scored.mutate(rank=rank)
    return ranked.filter(ranked["rank"] < PAIRS_PER_ITEM).order_by("item_index", "rank")


def query_items(clicked: Table, cut: Cut) -> Table:
    """Queries and the items clicked or bought from their results before the cut."""
    past = clicked.filter(clicked.timestamp < ibis.literal(cut.start))
    return (
        past.group_by("query", "item_index").aggregate(clicks=past.count())
        .order_by("query", "item_index")
    )
