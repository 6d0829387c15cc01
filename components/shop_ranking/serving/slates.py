"""From a ranked list to what is shown: random slots, propensities, an impression id."""

import math
import uuid
from dataclasses import dataclass

import numpy as np

from components.shop_ranking.engine.history import Floats, Ints
from components.shop_ranking.params import ServingParams
from components.shop_ranking.serving.api import Answer, ShownItem, Surface
from components.shop_ranking.serving.catalogue import Catalogue, picture_address
from components.shop_ranking.serving.exploration import explore


@dataclass(frozen=True)
class Slate:
    """Items in ranked order: what is shown first, then what a random slot may take instead."""

    items: Ints  # (n,)
    scores: Floats  # (n,) fused ones; in a search the relevance
    policy: str  # how they were ordered
    slots: int  # how many are shown
    total: int | None = None  # search: items found
    corrected: str | None = None  # search: the query as it was understood
    fused: Floats | None = None  # (n,) of the fused model, NaN for none; None: `scores` are

    @property
    def fused_scores(self) -> Floats:
        """Scores of the fused model, (n,), NaN where there is none."""
        return self.scores if self.fused is None else self.fused


@dataclass(frozen=True)
class Presenter:
    """Shows slates of one catalogue under one version of the model."""

    catalogue: Catalogue
    version: str
    params: ServingParams
    seed: int

    def show(self, slate: Slate, surface: Surface) -> Answer:
        """Draw the random slots and name the items; the draws follow from the impression id."""
        impression = uuid.uuid4().hex
        order, chances = explore(
            len(slate.items),
            slate.slots,
            self.params.exploration,
            self.params.exploration_reach,
            f"{self.seed}/{impression}",
        )
        shown = zip(
            slate.items[order].tolist(),
            slate.scores[order].tolist(),
            slate.fused_scores[order].tolist(),
            chances,
            strict=True,
        )
        return Answer.model_construct(
            impression_id=impression,
            surface=surface,
            items=tuple(self.item(place, *values) for place, values in enumerate(shown, 1)),
            model_version=self.version,
            policy=f"{slate.policy}+swap",
            total=slate.total,
            corrected=slate.corrected,
        )

    def item(
        self,
        position: int,
        row: int,
        score: float,
        fused: float,
        propensity: float,
        campaign_id: str | None = None,
    ) -> ShownItem:
        """Name one item; with a campaign it is a sponsored one."""
        shop = self.catalogue
        item_id, price = shop.item_id[row], float(shop.price[row])
        return ShownItem.model_construct(
            item_id=item_id,
            position=position,
            score=score,
            fused_score=None if math.isnan(fused) else fused,
            propensity=propensity,
            title=shop.title[row],
            category=shop.category[row],
            brand=shop.brand[row],
            price=None if np.isnan(price) else price,
            image=picture_address(item_id) if shop.picture_row[row] >= 0 else None,
            sponsored=campaign_id is not None,
            campaign_id=campaign_id,
        )
