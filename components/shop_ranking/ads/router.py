"""POST /ads, and the campaigns behind it."""

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Body, Depends, Response
from prometheus_client import Counter
from pydantic import Field

from components.platform.serving.keys import RESPONSES, require_admin_key
from components.platform.serving.messages import BAD_REQUEST, NOT_READY, Message, as_json
from components.platform.serving.segments import Record
from components.shop_ranking.ads.auction import Won
from components.shop_ranking.ads.campaigns import SIMULATED, Campaign
from components.shop_ranking.ads.relevance import question, relevant
from components.shop_ranking.serving.api import AdsRequest, Answer
from components.shop_ranking.serving.impressions import Shown, records
from components.shop_ranking.serving.service import Service

if TYPE_CHECKING:
    from components.shop_ranking.serving.champion import Champion

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


def router(service: Service) -> APIRouter:
    """Return POST /ads, GET and PUT /admin/campaigns."""
    routes = APIRouter(tags=["ads"], responses=BAD_REQUEST)
    ads = service.ads

    @routes.post("/ads", response_model=Answer, responses=NOT_READY)
    async def sponsored(request: Annotated[AdsRequest, Body()]) -> Response:
        """Fill sponsored slots; fewer items than slots where too few campaigns are relevant."""
        if ads.campaigns():
            await service.batching.ready(question(request, service.params.ads.depth))
        return as_json(fill(service, request))

    admin = APIRouter(
        tags=["admin"], dependencies=[Depends(require_admin_key)], responses=RESPONSES
    )

    @admin.put("/admin/campaigns")
    def replace(campaigns: Campaigns) -> CampaignStates:
        """Take these campaigns instead of those so far."""
        service.models.current()  # without one nothing is taken: the answer could not say how
        ads.replace(campaigns.campaigns)
        return states()

    @admin.get("/admin/campaigns")
    def states() -> CampaignStates:
        """Show every campaign and what it has spent."""
        now, version = service.clock.now(), service.champion.version
        model = ads.click_models.of(version)
        source = f"calibrated on {model.impressions} impressions with {model.clicks} clicks"
        return CampaignStates(
            campaigns=tuple(
                CampaignState(
                    campaign_id=campaign.campaign_id,
                    items=len(campaign.item_ids),
                    bid=campaign.bid,
                    daily_budget=campaign.daily_budget,
                    spent=ads.spent(campaign.campaign_id),
                    running=campaign.runs_at(now),
                    simulated=campaign.campaign_id.startswith(SIMULATED),
                )
                for campaign in ads.campaigns()
            ),
            click_probability=source if model.calibrated else "a prior by position, not measured",
        )

    routes.include_router(admin)
    return routes


def fill(service: Service, request: AdsRequest) -> Answer:
    """Return the sponsored slots of a request, logged as shown."""
    champion, now = service.champion, service.clock.now()
    campaigns = service.ads.campaigns()
    scores = (
        relevant(champion, champion.slate(question(request, service.params.ads.depth), now))
        if campaigns
        else {}
    )
    impression_id, won = service.ads.choose(request, scores, champion.version, now)
    shown = Shown(_answer(champion, request, impression_id, won), request, now)
    if not service.impressions.log(service.log, _records(shown, won)):
        # No ad without a record of it: its click could cost nothing.
        shown = Shown(shown.answer.model_copy(update={"items": ()}), request, now)
    service.impressions.keep(shown)
    SLOTS.labels("filled").inc(len(shown.answer.items))
    SLOTS.labels("empty").inc(request.slots - len(shown.answer.items))
    return shown.answer


def _answer(
    champion: "Champion", request: AdsRequest, impression_id: str, won: list[Won]
) -> Answer:
    index = champion.catalogue.index
    shown = (
        champion.presenter.item(
            position,
            index[slot.bidder.item_id],
            slot.bidder.score,
            slot.bidder.fused,
            slot.propensity,
            slot.bidder.campaign_id,
        )
        for position, slot in enumerate(won, start=1)
    )
    return Answer(
        impression_id=impression_id,
        surface=request.surface,
        items=tuple(shown),
        model_version=champion.version,
        policy=POLICY,
    )


def _records(shown: Shown, won: list[Won]) -> list[Record]:
    """Return the impressions, with the campaign and what a click will cost as `price`."""
    pairs = zip(records(shown), won, strict=True)
    return [
        {**record, "campaign_id": slot.bidder.campaign_id, "price": slot.price}
        for record, slot in pairs
    ]
