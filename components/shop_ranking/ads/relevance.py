"""The relevance floor: only what the shop would show for nothing may be shown for money."""

from typing import TYPE_CHECKING, NamedTuple

from components.shop_ranking.serving.api import AdsRequest, RecommendRequest, SearchRequest
from components.shop_ranking.serving.slates import Slate
from components.shop_ranking.surfaces import SURFACES

if TYPE_CHECKING:
    from components.shop_ranking.serving.champion import Champion


class Scored(NamedTuple):
    """What is known of an item above the floor."""

    score: float  # as in ShownItem
    fused: float  # of the fused model, NaN where there is none


def question(request: AdsRequest, depth: int) -> RecommendRequest | SearchRequest:
    """Return what the shop would be asked if it showed these places for nothing.

    Beside a search that is the search; elsewhere the row of the surface, which is home's where
    there is no item or basket that the catalogue knows. An ad is among the `depth` best answers for
    this shopper and this page.
    """
    asking = {
        "user_id": request.user_id,
        "session_id": request.session_id,
        "history": request.history,
        "filters": request.filters,
    }
    if SURFACES[request.surface].context == "query":
        return SearchRequest(**asking, query=request.query, page_size=depth)
    return RecommendRequest(
        **asking, surface=request.surface, item_id=request.item_id, basket=request.basket,
        k=depth, diversity=0.0,
    )  # fmt: skip


def relevant(champion: "Champion", slate: Slate) -> dict[str, Scored]:
    """Return the scores of each item above the floor, by id."""
    ids = champion.catalogue.item_id
    columns = (slate.items, slate.scores, slate.fused_scores)
    rows, scores, fused = (column[: slate.slots].tolist() for column in columns)
    return {ids[row]: Scored(*pair) for row, *pair in zip(rows, scores, fused, strict=True)}
