"""Shop ranking in one server process: its models, ads, impressions, batching and prefetch."""

from collections.abc import Callable, Sequence
from typing import cast

from components.platform.serving.batching import Batching
from components.platform.serving.context import ServingContext
from components.shop_ranking.ads.ads import Ads
from components.shop_ranking.params import Params
from components.shop_ranking.serving.api import RecommendRequest, SearchRequest
from components.shop_ranking.serving.champion import Champion
from components.shop_ranking.serving.impressions import Impressions
from components.shop_ranking.serving.prefetch import Prefetch


class Service:
    """What the routes and pages of shop ranking share."""

    def __init__(self, context: ServingContext) -> None:
        self.models, self.clock, self.log = context.models, context.clock, context.log
        self.hooks, self._context = context.hooks, context
        self.impressions = Impressions(context.replicas)
        self.ads = Ads(context.settings.spool, lambda: self.params.ads, context.replicas)
        self.hooks.subscribe(self.ads.observe)
        self.hooks.enrich_with(self.ads)
        if context.settings.has_store:
            context.background.append(self.ads.click_models)
        self.batching: Batching[RecommendRequest | SearchRequest] = Batching(
            self._prepare,
            self._reading,
            context.activity,
        )
        self.prefetch = Prefetch(self.models, self.clock, context.activity)
        self.hooks.subscribe(self.prefetch.accept)  # after those whose state it reads
        context.background.append(self.prefetch)

    def _prepare(self, requests: Sequence[RecommendRequest | SearchRequest]) -> None:
        self.champion.prepare(requests, self.clock.now())

    def _reading(self, request: RecommendRequest | SearchRequest) -> Callable[[], object] | None:
        return self.champion.reading(request)

    @property
    def params(self) -> Params:
        """What is answered by now: the params of the champion's run."""
        return cast(Params, self._context.params)

    @property
    def champion(self) -> Champion:
        """The model that answers now.

        Raises:
            ModelError: there is none yet.

        """
        return cast(Champion, self.models.current())


def service_of(context: ServingContext) -> Service:
    """Return what the routes and pages of shop ranking share, made once."""
    return context.state(Service)
