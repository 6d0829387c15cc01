"""The data contract: what data ingestion writes, and what anyone may bring (docs/data.md).

Ids of shoppers are pseudonyms in every table.
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
# Types that may be wanted, from the surest sign of a wish to the weakest.
STRONGEST_FIRST = ("purchase", "rating", "add_to_cart", "click", "view")

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

# Optional tables of what a shop knows beside products, events and orders.

SHOPPERS = pa.schema(
    [
        pa.field("user_id", pa.string(), nullable=False),
        # what is known of the household, in the source's own classes: age, income, ...
        pa.field("attributes", pa.map_(pa.string(), pa.string())),
    ]
)

# One row an item and period (a week, as a rule) in which it was promoted anywhere.
PROMOTIONS = pa.schema(
    [
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("starts_at", UTC, nullable=False),
        pa.field("ends_at", UTC, nullable=False),  # first moment after it
        # Shares of the stores (of the surfaces, in a shop without stores), 0 to 1.
        pa.field("display_share", pa.float32()),  # with the item on display
        pa.field("mailer_share", pa.float32()),  # with the item in the mailer or flyer
    ]
)

# Whom a campaign was sent to.
CAMPAIGN_SHOPPERS = pa.schema(
    [
        pa.field("campaign_id", pa.string(), nullable=False),
        pa.field("user_id", pa.string(), nullable=False),
    ]
)

COUPONS = pa.schema(
    [
        pa.field("coupon_id", pa.string(), nullable=False),
        pa.field("campaign_id", pa.string(), nullable=False),  # one coupon may be in several
        pa.field("item_ids", pa.list_(pa.string()), nullable=False),  # it is good for any of them
    ]
)

REDEMPTIONS = pa.schema(
    [
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("coupon_id", pa.string(), nullable=False),
        pa.field("campaign_id", pa.string()),
        pa.field("timestamp", UTC, nullable=False),
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

TABLES = {
    "products": PRODUCTS,
    "events": EVENTS,
    "orders": ORDERS,
    "campaigns": CAMPAIGNS,
    "shoppers": SHOPPERS,
    "promotions": PROMOTIONS,
    "campaign_shoppers": CAMPAIGN_SHOPPERS,
    "coupons": COUPONS,
    "redemptions": REDEMPTIONS,
    "judgments": JUDGMENTS,
    "images": IMAGES,
    "quarantine": QUARANTINE,
}
