"""The relevance floor: only what the shop would show for nothing may be shown for money."""

from datetime import datetime
from typing import TYPE_CHECKING

from components.serving.api import AdsRequest, RecommendRequest, SearchRequest, ShownItem

if TYPE_CHECKING:
    from components.serving.champion import Champion

DEPTH = 100  # an ad is among the so many best answers for this shopper and this page


def relevant(champion: "Champion", request: AdsRequest, now: datetime) -> dict[str, ShownItem]:
    """Return the items above the floor by id, with their scores.

    Beside a search they are its best hits; elsewhere the best recommendations of the surface.
    """
    asking = {
        "user_id": request.user_id,
        "session_id": request.session_id,
        "history": request.history,
        "filters": request.filters,
    }
    if request.surface == "search":
        search = SearchRequest(**asking, query=request.query, page_size=DEPTH)
        answer = champion.search(search, now)
    else:
        # Without an item or a basket those rows have no subject: then the shopper's own is taken.
        surface = request.surface if request.item_id or request.surface == "buy_again" else "home"
        answer = champion.recommend(
            RecommendRequest(
                **asking, surface=surface, item_id=request.item_id, k=DEPTH, diversity=0.0
            ),
            now,
        )
    return {item.item_id: item for item in answer.items}
