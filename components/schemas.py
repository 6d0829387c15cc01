"""The data contract: Arrow schemas of the tables every stage reads and writes.

Raw tables (written by data ingestion) come first, prepared tables (written by data preparation,
one folder a time cut) after them. Ids of shoppers are pseudonyms in every one of them.
"""

import pyarrow as pa

UTC = pa.timestamp("us", tz="UTC")

PRODUCTS = pa.schema(
    [
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("title", pa.string()),
        pa.field("description", pa.string()),
        pa.field("category", pa.string()),  # path from the root: "GROCERY > CHEESE > SHREDDED"
        pa.field("brand", pa.string()),
        pa.field("price", pa.float32()),
        pa.field("currency", pa.string()),
        pa.field("image", pa.string()),  # relative path or URI; the bytes are in IMAGES
        pa.field("attributes", pa.map_(pa.string(), pa.string())),
        pa.field("created_at", UTC),
        pa.field("text_embedding", pa.list_(pa.float32())),
        pa.field("image_embedding", pa.list_(pa.float32())),
    ]
)

EVENT_TYPES = ("impression", "view", "click", "add_to_cart", "purchase", "rating", "search")

EVENTS = pa.schema(
    [
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("session_id", pa.string()),
        pa.field("timestamp", UTC, nullable=False),
        pa.field("event_type", pa.string(), nullable=False),
        pa.field("item_id", pa.string()),  # null for a search
        pa.field("query", pa.string()),
        pa.field("surface", pa.string()),
        pa.field("position", pa.int32()),
        pa.field("propensity", pa.float32()),
        pa.field("model_version", pa.string()),
        pa.field("value", pa.float32()),  # quantity, stars or None, by event type
    ]
)

# What the server logs and feedback ingestion reads: an event, and which answer it belongs to.
SERVED_EVENTS = pa.schema(
    [
        *EVENTS,
        pa.field("impression_id", pa.string()),  # answer that showed the item, or that led to it
        pa.field("policy", pa.string()),  # impression: how the items were ordered
        pa.field("campaign_id", pa.string()),  # sponsored items only
        pa.field("price", pa.float32()),  # purchase: paid for one; click on an ad: charged
        pa.field("received_at", UTC),  # by the server's clock
    ]
)
# A line of a segment; what the model scored is for labels alone, no event needs it.
LOGGED_EVENTS = SERVED_EVENTS.append(pa.field("fused_score", pa.float32()))

ORDERS = pa.schema(
    [
        pa.field("order_id", pa.string(), nullable=False),
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("timestamp", UTC, nullable=False),
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("quantity", pa.float32(), nullable=False),  # <= 0 is a return
        pa.field("unit_price", pa.float32()),
        pa.field("discount", pa.float32()),  # money off the whole line, >= 0
    ]
)

CAMPAIGNS = pa.schema(
    [
        pa.field("campaign_id", pa.string(), nullable=False),
        pa.field("item_ids", pa.list_(pa.string()), nullable=False),
        pa.field("bid", pa.float32()),
        pa.field("daily_budget", pa.float32()),
        pa.field("starts_at", UTC),
        pa.field("ends_at", UTC),
    ]
)

JUDGMENTS = pa.schema(
    [
        pa.field("query", pa.string(), nullable=False),
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("grade", pa.int8(), nullable=False),
    ]
)

IMAGES = pa.schema(
    [
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("image", pa.binary(), nullable=False),  # an encoded picture: PNG or JPEG
    ]
)

QUARANTINE = pa.schema(
    [
        pa.field("table", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),  # file the row came from
        pa.field("reason", pa.string(), nullable=False),
        pa.field("row", pa.string(), nullable=False),  # the row as JSON, shopper ids hashed
    ]
)

# One row an impression item, with what became of it; written by feedback ingestion a day.
LABELLED = pa.schema(
    [
        pa.field("impression_id", pa.string(), nullable=False),
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("timestamp", UTC, nullable=False),
        pa.field("surface", pa.string()),
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("position", pa.int32()),
        pa.field("propensity", pa.float32()),
        pa.field("policy", pa.string()),
        pa.field("model_version", pa.string()),
        pa.field("campaign_id", pa.string()),  # sponsored items only
        pa.field("score", pa.float32()),  # ordered by it; what the impression logged as value
        pa.field("fused_score", pa.float32()),  # equal to it, but where words or pictures match
        pa.field("clicked", pa.bool_(), nullable=False),  # within feedback.attribution_hours
        pa.field("purchased", pa.bool_(), nullable=False),
        pa.field("revenue", pa.float32(), nullable=False),
    ]
)

ONLINE_METRICS = pa.schema(
    [
        pa.field("day", pa.date32(), nullable=False),
        pa.field("surface", pa.string(), nullable=False),  # "ads" for sponsored items
        pa.field("model_version", pa.string(), nullable=False),
        pa.field("position", pa.int32()),  # null: all positions
        pa.field("impressions", pa.int64(), nullable=False),
        pa.field("clicks", pa.int64(), nullable=False),  # impressions that were clicked
        pa.field("purchases", pa.int64(), nullable=False),  # impressions that were bought
        pa.field("revenue", pa.float64(), nullable=False),
        pa.field("ctr", pa.float64(), nullable=False),
        pa.field("cvr", pa.float64()),  # clicked impressions that were bought; null without clicks
        pa.field("ctr_low", pa.float64(), nullable=False),  # Wilson's interval, 95 %
        pa.field("ctr_high", pa.float64(), nullable=False),
    ]
)

# What a challenger would have shown in the place of a logged answer.
CHOICES = pa.schema(
    [
        pa.field("impression_id", pa.string(), nullable=False),
        pa.field("position", pa.int32(), nullable=False),
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("probability", pa.float64(), nullable=False),  # of showing it there
    ]
)

TABLES = {
    "products": PRODUCTS,
    "events": EVENTS,
    "orders": ORDERS,
    "campaigns": CAMPAIGNS,
    "judgments": JUDGMENTS,
    "images": IMAGES,
    "quarantine": QUARANTINE,
}

# --- prepared tables: dense indexes instead of ids ----------------------------------------------

ITEMS = pa.schema(
    [
        pa.field("item_index", pa.int32(), nullable=False),  # 0..items-1, row number
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("title", pa.string()),
        pa.field("text", pa.string()),  # what the text tower reads; null when there is none
        pa.field("category", pa.string()),
        pa.field("brand", pa.string()),
        pa.field("price", pa.float32()),
        pa.field("has_image", pa.bool_(), nullable=False),
        pa.field("text_embedding", pa.list_(pa.float32())),
        pa.field("image_embedding", pa.list_(pa.float32())),
    ]
)

ITEM_IMAGES = pa.schema(
    [
        pa.field("item_index", pa.int32(), nullable=False),
        pa.field("image", pa.binary(), nullable=False),
    ]
)

USERS = pa.schema(
    [
        pa.field("user_index", pa.int32(), nullable=False),  # 0..users-1, row number
        pa.field("user_id", pa.string(), nullable=False),
    ]
)

# One row a shopper with any event before the cut; each list is in time order, all of one length.
SEQUENCES = pa.schema(
    [
        pa.field("user_index", pa.int32(), nullable=False),
        pa.field("item_index", pa.list_(pa.int32()), nullable=False),
        pa.field("day", pa.list_(pa.float32()), nullable=False),  # days before the cut, > 0
        pa.field("session", pa.list_(pa.int32()), nullable=False),  # 0.. within the shopper
        pa.field("event_type", pa.list_(pa.int8()), nullable=False),  # index in EVENT_TYPES
    ]
)

# The state of a (shopper, item) pair that was bought (or interacted with) before the cut.
USER_ITEM = pa.schema(
    [
        pa.field("user_index", pa.int32(), nullable=False),
        pa.field("item_index", pa.int32(), nullable=False),
        pa.field("sessions", pa.int32(), nullable=False),  # distinct sessions with a target event
        pa.field("interactions", pa.int32(), nullable=False),  # every event of any type
        pa.field("quantity", pa.float32(), nullable=False),
        pa.field("spend", pa.float32(), nullable=False),
        pa.field("days_since_first", pa.float32(), nullable=False),
        pa.field("days_since_last", pa.float32(), nullable=False),
        pa.field("decayed_14", pa.float32(), nullable=False),  # sum over sessions of 2^(-age/14)
        pa.field("decayed_45", pa.float32(), nullable=False),
        pa.field("decayed_120", pa.float32(), nullable=False),
        pa.field("discounted_share", pa.float32(), nullable=False),
    ]
)

ITEM_STATS = pa.schema(
    [
        pa.field("item_index", pa.int32(), nullable=False),
        pa.field("eligible", pa.bool_(), nullable=False),  # in the catalogue at this cut
        pa.field("sessions", pa.int32(), nullable=False),
        pa.field("users", pa.int32(), nullable=False),
        pa.field("sessions_7", pa.int32(), nullable=False),  # in the 7 days before the cut
        pa.field("sessions_28", pa.int32(), nullable=False),
        pa.field("sessions_91", pa.int32(), nullable=False),
        pa.field("repeat_rate", pa.float32(), nullable=False),  # buyers with >= 2 sessions
        pa.field("mean_gap_days", pa.float32()),  # between two sessions of one shopper
        pa.field("days_since_first", pa.float32()),
        pa.field("mean_price", pa.float32()),
        pa.field("price_28", pa.float32()),  # mean unit price of the last 28 days
        pa.field("discounted_share", pa.float32()),
        pa.field("discounted_share_28", pa.float32()),
    ]
)

USER_STATS = pa.schema(
    [
        pa.field("user_index", pa.int32(), nullable=False),
        pa.field("sessions", pa.int32(), nullable=False),
        pa.field("items", pa.int32(), nullable=False),  # distinct
        pa.field("days_since_first", pa.float32(), nullable=False),
        pa.field("days_since_last", pa.float32(), nullable=False),
        pa.field("mean_basket", pa.float32(), nullable=False),  # distinct items a session
        pa.field("mean_gap_days", pa.float32()),
        pa.field("repeat_share", pa.float32(), nullable=False),  # of lines bought before
        pa.field("discounted_share", pa.float32()),
        pa.field("mean_price", pa.float32()),
    ]
)

# What the shopper did in the horizon after the cut, eligible items only.
TARGETS = pa.schema(
    [
        pa.field("user_index", pa.int32(), nullable=False),
        pa.field("item_index", pa.int32(), nullable=False),
        pa.field("quantity", pa.float32(), nullable=False),
        pa.field("is_repeat", pa.bool_(), nullable=False),  # target event before the cut
    ]
)

# Items bought in one session before the cut, both directions, strongest first.
ITEM_PAIRS = pa.schema(
    [
        pa.field("item_index", pa.int32(), nullable=False),
        pa.field("other_index", pa.int32(), nullable=False),
        pa.field("sessions", pa.int32(), nullable=False),
        pa.field("lift", pa.float32(), nullable=False),
    ]
)

# Queries and the items clicked or bought after them, before the cut.
QUERY_ITEMS = pa.schema(
    [
        pa.field("query", pa.string(), nullable=False),
        pa.field("item_index", pa.int32(), nullable=False),
        pa.field("clicks", pa.int32(), nullable=False),
    ]
)

CUT_TABLES = {
    "sequences": SEQUENCES,
    "user_item": USER_ITEM,
    "item_stats": ITEM_STATS,
    "user_stats": USER_STATS,
    "targets": TARGETS,
    "item_pairs": ITEM_PAIRS,
    "query_items": QUERY_ITEMS,
}
