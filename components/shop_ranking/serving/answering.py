"""POST /search and POST /recommend, and the pictures of what they show."""

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Body, HTTPException, Response

from components.platform.errors import DataError
from components.shop_ranking.serving.api import (
    BAD_REQUEST,
    Answer,
    Message,
    RecommendRequest,
    SearchRequest,
    problem,
)
from components.shop_ranking.serving.impressions import Shown, records

if TYPE_CHECKING:
    from components.server.server import Server

NOT_READY = problem(503, "No champion has been loaded yet")


def router(server: "Server") -> APIRouter:
    """Return the routes that answer shoppers."""
    routes = APIRouter(tags=["answers"], responses=NOT_READY | BAD_REQUEST)

    @routes.post("/recommend", response_model=Answer)
    async def post_recommend(request: Annotated[RecommendRequest, Body()]) -> Response:
        """A row of recommendations on one surface."""
        await server.waiting.ready(request)
        return as_json(recommend(server, request))

    @routes.post("/search", response_model=Answer)
    async def post_search(request: Annotated[SearchRequest, Body()]) -> Response:
        """A page of what matches words, or an example picture, or both."""
        await server.waiting.ready(request)
        try:
            return as_json(search(server, request))
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
        found = server.champion.current().catalogue.picture(item_id)
        if found is None:
            raise HTTPException(404, f"expected an item with a picture; found {item_id!r}")
        kind = "image/png" if found.startswith(b"\x89PNG") else "image/jpeg"
        return Response(found, media_type=kind, headers={"Cache-Control": "max-age=3600"})

    return routes


def recommend(server: "Server", request: RecommendRequest) -> Answer:
    """Return a row of recommendations, logged as shown."""
    server.waiting.asked()
    now = server.clock.now()
    return _logged(server, Shown(server.champion.current().recommend(request, now), request, now))


def search(server: "Server", request: SearchRequest) -> Answer:
    """Return a page of results, logged as shown.

    Raises:
        DataError: the example picture is not one.

    """
    server.waiting.asked()
    now = server.clock.now()
    return _logged(server, Shown(server.champion.current().search(request, now), request, now))


def _logged(server: "Server", shown: Shown) -> Answer:
    """Write the impressions and return the answer; a full spool does not stop the shop."""
    server.impressions.keep(shown)
    server.impressions.log(server.log, records(shown))
    return shown.answer


def as_json(answer: Message) -> Response:
    """Return an answer as it is sent: it is valid, and is not validated again."""
    return Response(answer.model_dump_json(), media_type="application/json")
