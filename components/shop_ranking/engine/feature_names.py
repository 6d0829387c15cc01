"""The features by name, each with its meaning, in groups that an ablation can leave out."""

from components.shop_ranking.engine.feature_states import GROUPS, TOWERS

HABIT = {
    "sessions": "sessions in which the shopper bought the item",
    "interactions": "the shopper's events of any type with the item",
    "decayed_14": "the same sessions, each halved every 14 days",
    "decayed_45": "... every 45 days",
    "decayed_120": "... every 120 days",
    "days_since_last": "days since the shopper last bought the item",
    "days_since_first": "days since the shopper first bought the item",
    "visits_5": "how many of the shopper's last 5 visits had the item",
    "visits_20": "how many of the last 20 visits had it",
    "visits_since": "visits since the last one with the item",
    "share_of_visits": "sessions with the item as a share of the shopper's sessions",
    "rate_since_first": "sessions with the item as a share of visits since the first with it",
    "share_of_decayed": "the item's share of all the shopper bought, halved every 120 days",
    "gap_days": "mean days between the shopper's purchases of the item",
    "due": "days since last / gap_days: about 1 when the next purchase is due",
    "expected_gap_days": "gap_days drawn towards the item's mean gap when there are few purchases",
    "expected_due": "days since last / expected_gap_days",
    "visits_due": "visits since the last with the item / mean visits between two with it",
    "spend_per_session": "money the shopper spends on the item when buying it",
    "quantity_per_session": "units the shopper takes when buying it",
    "pair_discounted_share": "share of the shopper's purchases of the item at a discount",
}
ITEM = {
    "item_sessions": "sessions with the item before the cut",
    "item_users": "shoppers who bought it",
    "item_sessions_7": "sessions with it in the last 7 days",
    "item_sessions_28": "... 28 days",
    "item_sessions_91": "... 91 days",
    "item_trend": "sessions of the last 28 days against the last 91",
    "item_trend_7": "sessions of the last 7 days against the last 28",
    "item_sessions_per_user": "sessions a buyer",
    "item_repeat_rate": "share of buyers who bought it again",
    "item_gap_days": "mean days between two purchases by one shopper",
    "item_days_since_first": "age of the item in the shop",
}
PRICE = {
    "item_price": "mean unit price",
    "item_price_change": "price of the last 28 days / mean price",
    "item_discounted_share": "share of its order lines at a discount",
    "item_discount_change": "that share in the last 28 days, minus the share before the cut",
    "price_to_usual": "item price / mean price of what the shopper buys",
    "price_to_usual_in_category": "item price / mean price the shopper pays in its category",
    "price_to_usual_in_product_type": "... in its product type",
    "discount_match": "recent discounted share x the shopper's discounted share",
}
SHOPPER = {
    "user_sessions": "the shopper's sessions",
    "user_sessions_28": "... in the last 28 days",
    "user_sessions_91": "... in the last 91 days",
    "user_items": "distinct items the shopper bought",
    "user_days_since_first": "days since the shopper's first purchase",
    "user_days_since_last": "days since the shopper's last purchase",
    "user_mean_basket": "distinct items a session",
    "user_repeat_share": "share of the shopper's purchases that were repeats",
    "user_discounted_share": "share of the shopper's order lines at a discount",
    "user_mean_price": "mean price the shopper pays",
}
AFFINITY = {
    f"{group}_{what}": meaning.format(group=group.replace("_", " "))
    for group in GROUPS
    for what, meaning in {
        "decayed": "the shopper's purchases in the item's {group}, halved every 120 days",
        "share": "the {group}'s share of all the shopper bought",
        "days_since_last": "days since the shopper last bought in the {group}",
        "items": "distinct items of the {group} the shopper bought",
        "item_share": "the item's share of the shopper's purchases in the {group}",
        "popularity_share": "the item's share of the {group}'s sessions in the last 28 days",
    }.items()
}
EASE = {
    "ease": "EASE over everything the shopper bought",
    "ease_recent": "EASE over the same, weighted by recency",
    "ease_z": "ease against the shopper's scores of all items (mean 0, deviation 1)",
}
TOWER = {
    tower: {
        f"{tower}": f"score of the {tower} tower",
        f"{tower}_z": f"{tower} against the shopper's scores of all items",
        f"{tower}_nearest": f"cosine of the nearest of the shopper's latest items, {tower} tower",
    }
    for tower in TOWERS
}
FEATURE_GROUPS = {
    "habit": HABIT,
    "item": ITEM,
    "price": PRICE,
    "shopper": SHOPPER,
    "affinity": AFFINITY,
    "ease": EASE,
    **TOWER,
}
FEATURES = {name: text for group in FEATURE_GROUPS.values() for name, text in group.items()}
