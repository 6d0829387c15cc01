"""POST /ads, and the campaigns behind it."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import numpy as np
from fastapi import APIRouter, Depends
from prometheus_client import Counter
from pydantic import Field

from components.errors import StorageError
from components.progress import say
from components.pseudonyms import at_the_door
from components.serving.ads.auction import Won
from components.serving.ads.campaigns import SIMULATED, Campaign
from components.serving.ads.relevance import relevant
from components.serving.api import AdsRequest, Answer, Message, ShownItem
from components.serving.events.segments import Record
from components.serving.impressions import Shown
from components.serving.keys import RESPONSES, require_admin_key

if TYPE_CHECKING:
    from components.serving.champion import Champion
    from components.serving.server import Server

POLICY = "gsp+pacing"
SLOTS = Counter(
    "shopfusion_ad_slots", "Slots that were asked for, by what became of them", ["outcome"]
)


class Campaigns(Message):
    """Every campaign of the shop."""

    campaigns: Annotated[tuple[Campaign, ...], Field(max_length=10_000)]


class CampaignState(Message):
    """One campaign and how its day goes."""

    campaign_id: str
    items: int
    bid: float
    daily_budget: float
    spent: float = Field(description="On the last day it was charged")
    running: bool
    simulated: bool = Field(description="The bid is simulated: no advertiser made it")


class CampaignStates(Message):
    """Every campaign, and where the probabilities of a click come from."""

    campaigns: tuple[CampaignState, ...]
    click_probability: str = Field(description="calibrated on so many impressions, or a prior")


def router(server: "Server") -> APIRouter:
    """Return POST /ads, GET and PUT /admin/campaigns."""
    routes = APIRouter(tags=["ads"])
    ads = server.ads

    @routes.post("/ads")
    def sponsored(request: AdsRequest) -> Answer:
        """Fill sponsored slots; fewer items than slots where too few campaigns are relevant."""
        return fill(server, request)

    admin = APIRouter(
        tags=["admin"], dependencies=[Depends(require_admin_key)], responses=RESPONSES
    )

    @admin.put("/admin/campaigns")
    def replace(campaigns: Campaigns) -> CampaignStates:
        """Take these campaigns instead of those so far."""
        ads.replace(campaigns.campaigns)
        return states()

    @admin.get("/admin/campaigns")
    def states() -> CampaignStates:
        """Show every campaign and what it has spent."""
        now, version = server.clock.now(), server.champion.current().version
        model = ads.click_model(version)
        source = f"calibrated on {model.impressions} impressions with {model.clicks} clicks"
        return CampaignStates(
            campaigns=tuple(
                CampaignState(
                    campaign_id=one.campaign_id,
                    items=len(one.item_ids),
                    bid=one.bid,
                    daily_budget=one.daily_budget,
                    spent=ads.spent(one.campaign_id),
                    running=one.runs_at(now),
                    simulated=one.campaign_id.startswith(SIMULATED),
                )
                for one in ads.campaigns()
            ),
            click_probability=source if model.calibrated else "a prior by position, not measured",
        )

    routes.include_router(admin)
    return routes


def fill(server: "Server", request: AdsRequest) -> Answer:
    """Return the sponsored slots of a request, logged as shown."""
    champion, now = server.champion.current(), server.clock.now()
    scores = relevant(champion, request, now) if server.ads.campaigns() else {}
    impression_id, won = server.ads.choose(request, scores, champion.version, now)
    answer = _answer(champion, request, impression_id, won)
    try:
        server.log.append(_impressions(request, answer, won, now), durable=False)
    except StorageError as error:  # no ad without a record of it: its click could cost nothing
        say(f"ads: {error}")
        answer = answer.model_copy(update={"items": ()})
    server.impressions.keep(Shown(answer, request, now))  # it can be explained too
    SLOTS.labels("filled").inc(len(answer.items))
    SLOTS.labels("empty").inc(request.slots - len(answer.items))
    return answer


def _answer(
    champion: "Champion", request: AdsRequest, impression_id: str, won: list[Won]
) -> Answer:
    catalogue = champion.catalogue
    items = []
    for position, one in enumerate(won, start=1):
        row, item_id = catalogue.index[one.bidder.item_id], one.bidder.item_id
        price = float(catalogue.price[row])
        items.append(
            ShownItem(
                item_id=item_id,
                position=position,
                score=one.bidder.score,
                propensity=one.propensity,
                title=catalogue.title[row],
                category=catalogue.category[row],
                brand=catalogue.brand[row],
                price=None if np.isnan(price) else price,
                image=f"/pictures/{quote(item_id, safe='')}"
                if catalogue.picture_row[row] >= 0
                else None,
                sponsored=True,
                campaign_id=one.bidder.campaign_id,
            )
        )
    return Answer(
        impression_id=impression_id,
        surface=request.surface,
        items=tuple(items),
        model_version=champion.version,
        policy=POLICY,
    )


def _impressions(
    request: AdsRequest, answer: Answer, won: list[Won], now: datetime
) -> list[Record]:
    """One record a slot: `value` is the score, `price` what a click will cost."""
    asker = request.user_id or request.session_id or answer.impression_id
    return [
        {
            "event_id": f"{answer.impression_id}:{item.position}",
            "user_id": at_the_door(asker),
            "session_id": request.session_id,
            "timestamp": now.isoformat(),
            "event_type": "impression",
            "item_id": item.item_id,
            "query": request.query or None,
            "surface": request.surface,
            "position": item.position,
            "propensity": item.propensity,
            "model_version": answer.model_version,
            "value": item.score,
            "impression_id": answer.impression_id,
            "policy": POLICY,
            "campaign_id": item.campaign_id,
            "price": slot.price,
            "received_at": now.isoformat(),
        }
        for item, slot in zip(answer.items, won, strict=True)
    ]
