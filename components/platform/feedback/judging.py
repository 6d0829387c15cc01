"""Off-policy value of challengers, from labelled impressions and what they would have shown."""

import json
import re
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from components.platform import schemas, storage
from components.platform.feedback.off_policy import (
    PREFIX,
    VALUES,
    OffPolicyValue,
    challenger_value,
)
from components.platform.feedback.partitions import latest_labelled, read_parquet
from components.platform.params import Params
from components.platform.progress import say

PLACE = re.compile(rf"{PREFIX}(?P<version>.+)/[^/]+\.parquet")


def judge(params: Params) -> dict[str, dict[str, Any]]:
    """Estimate the clicks a slot of every challenger that was asked again; write and return them.

    Slots of campaigns are left out: bids order them. Answers of the latest
    feedback.click_model_days days on which anything was shown count.

    Raises:
        StorageError: S3 cannot be reached.

    """
    counterfactual = _counterfactual()
    labelled = latest_labelled(params.feedback.click_model_days) if counterfactual else None
    if labelled is None:
        say("nothing to estimate: no challenger said what it would have shown, or nothing was")
        return {}
    organic = labelled.filter(pc.is_null(labelled["campaign_id"]))
    values = {}
    for version, table in counterfactual.items():
        value = challenger_value(organic, table, params.feedback)
        values[version] = asdict(value) | {"conclusion": conclusion(value)}
        say(f"{version}: {values[version]['conclusion']}")
    storage.put(json.dumps(values, sort_keys=True).encode(), VALUES)
    return values


def conclusion(value: OffPolicyValue) -> str:
    """Say in one line what the logs say: both estimates, and how much they stand on."""
    worth = f"{value.answers:,} answers worth {value.effective_samples:,.0f}"
    robust, snips = value.doubly_robust, value.snips
    if robust is None or snips is None:
        return f"nothing is concluded from {worth}: {value.refused}"
    side = "no sure difference"
    if robust.low > value.logged:
        side = "better"
    if robust.high < value.logged:
        side = "worse"
    return (
        f"clicks a slot {robust.value:.4f} ({robust.low:.4f} to {robust.high:.4f}) doubly robust, "
        f"{snips.value:.4f} ({snips.low:.4f} to {snips.high:.4f}) by SNIPS, against "
        f"{value.logged:.4f} logged, from {worth}: {side}"
    )


def _counterfactual() -> dict[str, pa.Table]:
    tables: dict[str, list[pa.Table]] = {}
    for stored in storage.stored(PREFIX):
        if place := PLACE.fullmatch(stored.key):
            table = read_parquet(stored.key).cast(schemas.COUNTERFACTUAL)
            tables.setdefault(place["version"], []).append(table)
    return {version: pa.concat_tables(parts) for version, parts in tables.items()}
