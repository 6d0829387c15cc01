"""Campaigns: what advertisers want shown, for how much, and where they are kept."""

import json
import zlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from pydantic import AwareDatetime, Field, model_validator

from components.platform.files import write_json
from components.platform.serving.messages import Id, Message

SIMULATED = "simulated-"  # begins the id of a campaign whose bid nobody ever made


class Campaign(Message):
    """One advertiser's wish: a row of the data contract's table `campaigns` that has a bid."""

    campaign_id: Id = Field(description="One that begins with simulated- has a simulated bid")
    item_ids: tuple[Id, ...] = Field(min_length=1, max_length=100_000)
    bid: float = Field(gt=0, le=1e6, allow_inf_nan=False, description="Most a click may cost")
    daily_budget: float = Field(
        gt=0,
        le=1e9,
        allow_inf_nan=False,
        description="Spent in one day (UTC), at most one click more",
    )
    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _in_order(self) -> "Campaign":
        if self.starts_at and self.ends_at and self.ends_at <= self.starts_at:
            raise ValueError("ends_at must be after starts_at")
        return self

    def runs_at(self, moment: datetime) -> bool:
        """Return whether the campaign runs at this moment."""
        begun = self.starts_at is None or self.starts_at <= moment
        return begun and (self.ends_at is None or moment < self.ends_at)


def simulated(table: pa.Table, seed: int = 0) -> list[Campaign]:
    """Return campaigns with simulated bids and budgets, named so in their ids.

    Real shops' data has promotions without bids. Here each gets a bid of 0.10 to 1.00 and a
    budget of 20 to 200 clicks a day, drawn from its own id, so that the same table always gives
    the same campaigns. No number that follows from them is an advertiser's.

    Args:
        table: schemas.CAMPAIGNS; rows without items are left out.
        seed: another seed draws other bids.

    """
    made = []
    for row in table.to_pylist():  # dozens of campaigns
        rng = np.random.default_rng([seed, zlib.crc32(row["campaign_id"].encode())])
        bid = round(float(np.exp(rng.uniform(np.log(0.1), 0.0))), 2)
        budget = round(bid * int(rng.integers(20, 201)), 2)
        made.append(
            row
            | {"campaign_id": SIMULATED + row["campaign_id"], "bid": bid, "daily_budget": budget}
        )
    return [Campaign.model_validate(row) for row in made if row["item_ids"]]


def save(campaigns: Sequence[Campaign], path: Path) -> None:
    """Write the campaigns, whole or not at all."""
    write_json([campaign.model_dump(mode="json") for campaign in campaigns], path)


def load(path: Path) -> tuple[Campaign, ...]:
    """Return the campaigns that were saved; none where nothing was."""
    if not path.exists():
        return ()
    return tuple(Campaign.model_validate(campaign) for campaign in json.loads(path.read_text()))


def packed(campaigns: Sequence[Campaign]) -> bytes:
    """Return campaigns as servers tell them to each other."""
    return json.dumps([campaign.model_dump(mode="json") for campaign in campaigns]).encode()


def unpacked(campaigns: bytes) -> list[Campaign]:
    """Return campaigns that another server told.

    Raises:
        ValueError: they are none.

    """
    return [Campaign.model_validate(campaign) for campaign in json.loads(campaigns)]
