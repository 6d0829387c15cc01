"""What the server logs, and what feedback ingestion makes of it."""

import pyarrow as pa

from components.platform.schemas.contract import EVENTS, UTC

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
COUNTERFACTUAL = pa.schema(
    [
        pa.field("impression_id", pa.string(), nullable=False),
        pa.field("position", pa.int32(), nullable=False),
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("probability", pa.float64(), nullable=False),  # of showing it there
    ]
)
