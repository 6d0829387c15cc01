"""What was known of shoppers and items before a cut, as Ibis expressions.

Lines have user_index, item_index, session, timestamp, second, event_type, is_target, is_visit,
quantity, eligible_since; orders have user_index, item_index, timestamp, eligible_since, quantity,
unit_price, discount. A cut knows the items that were eligible then and nothing of later ones.
"""

import ibis
from ibis.expr.types import BooleanColumn, FloatingValue, NumericColumn, Table

from components.shop_ranking.data_preparation.cuts import Cut
from components.shop_ranking.engine.history import HALF_LIVES_DAYS

DAY = 86400
FINE, COARSE = 2.0**40, 2.0**20  # fixed-point steps of decays, and of money and pieces


def before(table: Table, cut: Cut) -> Table:
    """Keep what happened before the cut to items that were eligible by then."""
    start = ibis.literal(cut.start)
    return table.filter(table.timestamp < start, table.eligible_since < start)


def exact_sum(
    values: NumericColumn, step: float = COARSE, where: BooleanColumn | None = None
) -> FloatingValue:
    """Sum in fixed point: the order of the rows, hence of threads, cannot change the result."""
    return (values * step).round().cast("int64").sum(where=where) / step


def mean_price(paid: Table, where: BooleanColumn | None = None) -> FloatingValue:
    """Return the mean of the known unit prices, null where there is none."""
    known = paid.unit_price.notnull() if where is None else where & paid.unit_price.notnull()
    return exact_sum(paid.unit_price, where=known) / paid.count(where=known).nullif(0)


def discounted_share(paid: Table, where: BooleanColumn | None = None) -> FloatingValue:
    """Return the share of lines with a discount, null where there is no line."""
    off = (paid.discount > 0).fill_null(False)
    cheaper = off if where is None else off & where
    return paid.count(where=cheaper) / paid.count(where=where).nullif(0)


def enrich(left: Table, right: Table, *keys: str) -> Table:
    """Left join that keeps one copy of the keys."""
    joined = left.left_join(right, list(keys))
    return joined.drop(*[f"{key}_right" for key in keys])


def pair_state(lines: Table, cut: Cut) -> Table:
    """One row a (shopper, item) with a visit before the cut; ages in seconds before the cut."""
    past = before(lines, cut)
    past = past.mutate(age=ibis.literal(cut.second, "int64") - past.second)
    decays = {
        f"decayed_{days}": exact_sum(
            ibis.literal(2.0) ** (-past.age / (days * DAY)), FINE, past.is_visit
        )
        for days in HALF_LIVES_DAYS
    }
    state = past.group_by("user_index", "item_index").aggregate(
        sessions=past.count(where=past.is_visit),
        interactions=past.count(),
        quantity=exact_sum(past.quantity, where=past.is_target),
        oldest=past.age.max(where=past.is_visit),
        newest=past.age.min(where=past.is_visit),
        **decays,
    )
    return state.filter(state.sessions > 0)


def user_item(state: Table, orders: Table, cut: Cut) -> Table:
    """Frequency, recency, decay, spend and discount of each pair."""
    paid = before(orders, cut)
    money = paid.group_by("user_index", "item_index").aggregate(
        spend=exact_sum(paid.unit_price * paid.quantity), discounted_share=discounted_share(paid)
    )
    joined = enrich(state, money, "user_index", "item_index")
    return joined.mutate(
        spend=joined.spend.fill_null(0.0),
        discounted_share=joined.discounted_share.fill_null(0.0),
        days_since_first=joined.oldest / DAY,
        days_since_last=joined.newest / DAY,
    ).order_by("user_index", "item_index")


def item_stats(lines: Table, orders: Table, items: Table, state: Table, cut: Cut) -> Table:
    """Popularity, repetition, price and discount of every item; zero and null if not eligible."""
    past = before(lines, cut).filter(lambda row: row.is_visit)
    since = {days: past.second >= cut.second - days * DAY for days in (7, 28, 91)}
    counts = past.group_by("item_index").aggregate(
        sessions=past.count(),
        **{f"sessions_{days}": past.count(where=recent) for days, recent in since.items()},
    )
    pairs = state.group_by("item_index").aggregate(
        users=state.count(),
        days_since_first=state.oldest.max() / DAY,
        repeat_rate=state.count(where=state.sessions >= 2) / state.count(),
        mean_gap_days=(state.oldest - state.newest).sum()
        / DAY
        / (state.sessions - 1).sum().nullif(0),
    )
    paid = before(orders, cut)
    recent = paid.timestamp >= ibis.literal(cut.start) - ibis.interval(days=28)
    money = paid.group_by("item_index").aggregate(
        mean_price=mean_price(paid),
        price_28=mean_price(paid, recent),
        discounted_share=discounted_share(paid),
        discounted_share_28=discounted_share(paid, recent),
    )
    joined = items.select("item_index", eligible=items.eligible_since < ibis.literal(cut.start))
    for part in (counts, pairs, money):
        joined = enrich(joined, part, "item_index")
    zeros = (
        "sessions", "users", "sessions_7", "sessions_28", "sessions_91", "repeat_rate",
        "discounted_share", "discounted_share_28",
    )  # fmt: skip
    return joined.mutate(**{name: joined[name].fill_null(0) for name in zeros}).order_by(
        "item_index"
    )


def user_stats(lines: Table, orders: Table, state: Table, cut: Cut) -> Table:
    """Activity, basket, repetition, price and discount of every shopper with a visit."""
    past = before(lines, cut).filter(lambda row: row.is_visit)
    sessions = past.group_by("user_index").aggregate(sessions=past.session.nunique())
    pairs = state.group_by("user_index").aggregate(
        items=state.count(),
        visits=state.sessions.sum(),
        oldest=state.oldest.max(),
        newest=state.newest.min(),
    )
    paid = before(orders, cut)
    money = paid.group_by("user_index").aggregate(
        discounted_share=discounted_share(paid), mean_price=mean_price(paid)
    )
    joined = enrich(enrich(sessions, pairs, "user_index"), money, "user_index")
    return joined.mutate(
        days_since_first=joined.oldest / DAY,
        days_since_last=joined.newest / DAY,
        mean_basket=joined.visits / joined.sessions,
        mean_gap_days=(joined.oldest - joined.newest) / DAY / (joined.sessions - 1).nullif(0),
        repeat_share=1.0 - joined["items"] / joined.visits,
    ).order_by("user_index")
