"""POST /search and POST /recommend, and the pictures of what they show."""

from typing import Annotated

from fastapi import APIRouter, Body, HTTPException, Response

from components.platform.errors import DataError
from components.platform.serving.messages import BAD_REQUEST, NOT_READY, as_json, problem
from components.shop_ranking.serving.api import (
    Answer,
    RecommendRequest,
    SearchRequest,
)
from components.shop_ranking.serving.impressions import Shown, records
from components.shop_ranking.serving.service import Service


def router(service: Service) -> APIRouter:
    """Return the routes that answer shoppers."""
    routes = APIRouter(tags=["answers"], responses=NOT_READY | BAD_REQUEST)

    @routes.post("/recommend", response_model=Answer)
    async def post_recommend(request: Annotated[RecommendRequest, Body()]) -> Response:
        """A row of recommendations on one surface."""
        await service.batching.ready(request)
        return as_json(recommend(service, request))

    @routes.post("/search", response_model=Answer)
    async def post_search(request: Annotated[SearchRequest, Body()]) -> Response:
        """A page of what matches words, or an example picture, or both."""
        await service.batching.ready(request)
        try:
            return as_json(search(service, request))
        except DataError as error:
            raise HTTPException(422, str(error)) from error

    @routes.get(
        "/pictures/{item_id:path}",
        response_class=Response,
        responses=problem(404, "The item has no picture, or there is no such item")
        | {200: {"content": {"image/*": {}}}},
    )
    def picture(item_id: str) -> Response:
        """The picture of an item."""
        image = service.champion.catalogue.picture(item_id)
        if image is None:
            raise HTTPException(404, f"expected an item with a picture; found {item_id!r}")
        kind = "image/png" if image.startswith(b"\x89PNG") else "image/jpeg"
        return Response(image, media_type=kind, headers={"Cache-Control": "max-age=3600"})

    return routes


def recommend(service: Service, request: RecommendRequest) -> Answer:
    """Return a row of recommendations, logged as shown."""
    now = service.clock.now()
    return _logged(service, Shown(service.champion.recommend(request, now), request, now))


def search(service: Service, request: SearchRequest) -> Answer:
    """Return a page of results, logged as shown.

    Raises:
        DataError: the example picture is not one.

    """
    now = service.clock.now()
    return _logged(service, Shown(service.champion.search(request, now), request, now))


def _logged(service: Service, shown: Shown) -> Answer:
    """Write the impressions and return the answer; a full spool does not stop the shop."""
    service.impressions.keep(shown)
    service.impressions.log(service.log, records(shown))
    return shown.answer
