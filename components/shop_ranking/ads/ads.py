"""Sponsored products: who is shown, what a click costs, and what has been spent."""

import random
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from components.platform.serving.context import Replicas
from components.platform.serving.segments import Record
from components.shop_ranking.ads.auction import Bidder, Won, auction
from components.shop_ranking.ads.campaigns import Campaign, load, packed, save, unpacked
from components.shop_ranking.ads.click_models import ClickModels
from components.shop_ranking.ads.pacing import Pacer
from components.shop_ranking.ads.relevance import Scored
from components.shop_ranking.params.serving import AdsParams
from components.shop_ranking.serving.api import AdsRequest

CAMPAIGNS = "campaigns"  # the value that several servers hold in common


@dataclass
class Offer:
    """A sponsored item that was shown: what a click costs, and whether one came."""

    campaign_id: str
    price: float
    charged: bool = False


class Ads:
    """Campaigns, budgets and offers of one server; safe across threads.

    Nothing but the campaigns is kept in a file of its own: what was shown and charged is in the
    event log, and `observe` learns it from there, at the start from the past.
    """

    def __init__(
        self,
        folder: Path,
        params: Callable[[], AdsParams] = AdsParams,
        replicas: Replicas | None = None,
    ) -> None:
        """Read the campaigns of `folder`; `replicas` where several servers share budgets.

        `params` are asked whenever they are needed: the next champion may bring others.
        """
        self._params = params
        self.click_models = ClickModels(lambda: params().prior_click_rate)
        self._path = folder / "campaigns.json"
        self._lock = threading.RLock()
        self._campaigns = {campaign.campaign_id: campaign for campaign in load(self._path)}
        self._pacers: dict[str, Pacer] = {}
        self._offers: OrderedDict[tuple[str, str], Offer] = OrderedDict()
        self._replicas = replicas
        if replicas is not None:
            replicas.share_value(
                CAMPAIGNS,
                lambda value: self.take(unpacked(value)),
                lambda: packed(self.campaigns()),
            )

    def campaigns(self) -> tuple[Campaign, ...]:
        """Return every campaign, running or not."""
        return tuple(self._campaigns.values())

    def replace(self, campaigns: Sequence[Campaign]) -> None:
        """Take these campaigns instead of those so far, on every server.

        Money spent today stays spent.

        Raises:
            ServiceError: the other servers cannot be told; nothing is taken.

        """
        if self._replicas is not None:
            self._replicas.publish_value(CAMPAIGNS, packed(campaigns))
        self.take(campaigns)

    def take(self, campaigns: Sequence[Campaign]) -> None:
        """Take these campaigns instead of those so far, on this server."""
        with self._lock:
            save(campaigns, self._path)
            self._campaigns = {campaign.campaign_id: campaign for campaign in campaigns}

    def spent(self, campaign_id: str) -> float:
        """Return what the campaign has spent on the last day it was charged or asked."""
        return self.pacer(campaign_id).spent

    def choose(
        self, request: AdsRequest, relevant: dict[str, Scored], version: str, now: datetime
    ) -> tuple[str, list[Won]]:
        """Hold the auction; return an impression id and the slots that were won.

        Args:
            request: surface and number of slots; items in `shown` are left out.
            relevant: scores by item of everything that is relevant enough to be shown for money.
            version: of the model that scored.
            now: by the shop's clock.

        """
        impression_id = uuid.uuid4().hex
        with self._lock:
            bidders = self._bidders(request, relevant, version, now)
        coins = [
            random.Random(f"{impression_id}:{bidder.campaign_id}").random() for bidder in bidders
        ]
        takes_part = [
            coin < bidder.participation for coin, bidder in zip(coins, bidders, strict=True)
        ]
        return impression_id, auction(bidders, takes_part, request.slots, self._params().reserve)

    def enrich(self, records: Sequence[Record], now: datetime) -> list[Record]:
        """Return the records, clicks on offers with the campaign and what they cost.

        A second click on one offer, and one after the budget is spent, cost nothing. Nothing is
        spent yet: that happens in `observe`, once the log has the click.

        Raises:
            ServiceError: budgets are shared and cannot be had, and there is a click, which may be
                one that is paid for.

        """
        if self._replicas is not None and self.blocks(records):
            self._replicas.require()
        with self._lock:
            seen: set[tuple[str, str]] = set()
            pending: dict[str, float] = {}
            charged = [self._charged(record, now, seen, pending) for record in records]
        # Outside the lock: nobody who is shown an ad waits for the other servers.
        return [self._agreed(record, now) for record in charged]

    def blocks(self, records: Sequence[Record]) -> bool:
        """Tell whether other servers have to agree on what the records cost."""
        clicked = any(record["event_type"] == "click" for record in records)
        return clicked and self._replicas is not None

    def _agreed(self, record: Record, now: datetime) -> Record:
        """Return the record with the price on which all servers agree."""
        campaign = self._campaigns.get(record.get("campaign_id") or "")
        clicked = record["event_type"] == "click" and record["price"]
        if self._replicas is None or campaign is None or not clicked:
            return record
        with self._lock:
            spent = self.pacer(campaign.campaign_id).spent_by(now)
        price = self._replicas.charge(
            f"{record['impression_id']}:{record['item_id']}",
            f"{campaign.campaign_id}:{now.date().isoformat()}",
            record["event_id"], record["price"], campaign.daily_budget, spent,
        )  # fmt: skip
        return {**record, "price": price}

    def observe(self, records: Iterable[Record]) -> None:
        """Learn from the log what was offered and what was spent; a subscriber of events."""
        with self._lock:
            for record in records:
                if not record.get("campaign_id"):
                    continue
                campaign_id, price = record["campaign_id"], float(record.get("price") or 0.0)
                key = (record["impression_id"], record["item_id"])
                if record["event_type"] == "impression":
                    self._offers.setdefault(key, Offer(campaign_id, price))
                elif record["event_type"] == "click":
                    self._count(key, campaign_id, price, record)
            while len(self._offers) > self._params().offers:
                self._offers.popitem(last=False)

    def _count(self, key: tuple[str, str], campaign_id: str, price: float, record: Record) -> None:
        offer = self._offers.setdefault(key, Offer(campaign_id, price))
        if price > 0 and not offer.charged:  # the same record may be read from S3 and from here
            offer.charged = True
            self.pacer(campaign_id).spend(price, datetime.fromisoformat(record["received_at"]))

    def _charged(
        self,
        record: Record,
        now: datetime,
        seen: set[tuple[str, str]],
        pending: dict[str, float],
    ) -> Record:
        key = (record["impression_id"], record["item_id"])
        offer = self._offers.get(key) if record["event_type"] == "click" else None
        if offer is None:
            return record
        campaign = self._campaigns.get(offer.campaign_id)
        price = 0.0
        if campaign and not offer.charged and key not in seen:
            pacer = self.pacer(campaign.campaign_id)
            reserved = pending.get(campaign.campaign_id, 0.0)
            if pacer.spent_by(now) + reserved < campaign.daily_budget:
                price = offer.price
            seen.add(key)
            pending[campaign.campaign_id] = reserved + price
        return {**record, "campaign_id": offer.campaign_id, "price": price}

    def _bidders(
        self, request: AdsRequest, relevant: dict[str, Scored], version: str, now: datetime
    ) -> list[Bidder]:
        """Return each running campaign with its most clickable item; an item has one campaign."""
        running = [campaign for campaign in self._campaigns.values() if campaign.runs_at(now)]
        running.sort(key=lambda campaign: (-campaign.bid, campaign.campaign_id))
        free = {item: scored for item, scored in relevant.items() if item not in request.shown}
        bidders = []
        for campaign in running:  # the highest bid first: an item wanted twice goes to it
            mine = [item for item in campaign.item_ids if item in free]
            probability = self.pacer(campaign.campaign_id).probability(campaign, now)
            if mine and probability > 0:
                best = max(mine, key=lambda item: (free[item].score, item))
                bidders.append(
                    Bidder(campaign.campaign_id, best, *free[best], 0.0, campaign.bid, probability)
                )
            for item in mine:
                free.pop(item, None)
        return self._with_pctr(bidders, version)

    def _with_pctr(self, bidders: list[Bidder], version: str) -> list[Bidder]:
        score = np.array([bidder.score for bidder in bidders])
        fused = np.array([bidder.fused for bidder in bidders])
        ones = np.ones(len(bidders))
        pctr = self.click_models.of(version).probability(score, fused, ones, ones)
        pairs = zip(bidders, pctr.tolist(), strict=True)
        return [replace(bidder, pctr=probability) for bidder, probability in pairs]

    def pacer(self, campaign_id: str) -> Pacer:
        """Return what paces a campaign: what it spent today, and how eagerly it takes part."""
        return self._pacers.setdefault(campaign_id, Pacer(self._params))
