"""Prepared tables: dense indexes instead of ids; one folder a time cut."""

import pyarrow as pa

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
