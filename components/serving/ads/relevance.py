"""The relevance floor: only what the shop would show for nothing may be shown for money."""

from typing import TYPE_CHECKING

from components.serving.api import AdsRequest, RecommendRequest, SearchRequest
from components.serving.slates import Slate

if TYPE_CHECKING:
    from components.serving.champion import Champion

DEPTH = 100  # an ad is among the so many best answers for this shopper and this page


def question(request: AdsRequest) -> RecommendRequest | SearchRequest:
    """Return what the shop would be asked if it showed these places for nothing.

    Beside a search that is the search; elsewhere the row of the surface.
    """
    asking = {
        "user_id": request.user_id,
        "session_id": request.session_id,
        "history": request.history,
        "filters": request.filters,
    }
    if request.surface == "search":
        return SearchRequest(**asking, query=request.query, page_size=DEPTH)
    # Without an item or a basket those rows have no subject: then the shopper's own is taken.
    surface = request.surface if request.item_id or request.surface == "buy_again" else "home"
    return RecommendRequest(
        **asking, surface=surface, item_id=request.item_id, k=DEPTH, diversity=0.0
    )


def relevant(champion: "Champion", slate: Slate) -> dict[str, float]:
    """Return the score of each item above the floor, by id."""
    ids = champion.catalogue.item_id
    first = slice(0, slate.slots)
    rows, scores = slate.items[first].tolist(), slate.scores[first].tolist()
    return {ids[row]: score for row, score in zip(rows, scores, strict=True)}
