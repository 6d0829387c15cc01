"""POST /search and POST /recommend, and the pictures of what they show."""

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Body, HTTPException, Response

from components.errors import DataError, StorageError
from components.progress import say
from components.serving.api import Answer, RecommendRequest, SearchRequest
from components.serving.impressions import Shown, records

if TYPE_CHECKING:
    from components.serving.server import Server

NOT_READY: dict[int | str, dict[str, Any]] = {
    503: {"description": "No champion has been loaded yet"}
}
    503: {"description": "No champion has been loaded yet"}
}


def router(server: "Server") -> APIRouter:
    """Return the routes that answer shoppers."""
    routes = APIRouter(tags=["answers"], responses=NOT_READY)

    @routes.post("/recommend", response_model=Answer)
    def recommend(request: Annotated[RecommendRequest, Body()]) -> Response:
        """A row of recommendations on one surface."""
        now = server.clock.now()
        return _logged(
            server, Shown(server.champion.current().recommend(request, now), request, now)
        )

    @routes.post("/search", response_model=Answer, responses={422: {"description": "Bad picture"}})
    def search(request: Annotated[SearchRequest, Body()]) -> Response:
        """A page of what matches words, or an example picture, or both."""
        now = server.clock.now()
        try:
            answer = server.champion.current().search(request, now)
        except DataError as error:
            raise HTTPException(422, str(error)) from error
        return _logged(server, Shown(answer, request, now))

    @routes.get(
        "/pictures/{item_id:path}",
        response_class=Response,
        responses={
            200: {"content": {"image/*": {}}},
            404: {"description": "The item has no picture, or there is no such item"},
        },
    )
    def picture(item_id: str) -> Response:
        """The picture of an item."""
        found = server.champion.current().catalogue.picture(item_id)
        if found is None:
            raise HTTPException(404, f"expected an item with a picture; found {item_id!r}")
        kind = "image/png" if found.startswith(b"\x89PNG") else "image/jpeg"
        return Response(found, media_type=kind, headers={"Cache-Control": "max-age=3600"})

    return routes


def _logged(server: "Server", shown: Shown) -> Response:
    """Write the impressions and return the answer; a full spool does not stop the shop."""
    server.impressions.keep(shown)
    try:
        server.log.append(records(shown), durable=False)
    except StorageError as error:
        say(f"impressions are not logged: {error}")
    return Response(shown.answer.model_dump_json(), media_type="application/json")
