"""Everything at the server's root that a person sees."""

from typing import TYPE_CHECKING

from fastapi import APIRouter

from components.shop_ranking.pages import operations, reasons
from components.shop_ranking.pages import storefront as people
from components.shop_ranking.pages.page_context import Front

if TYPE_CHECKING:
    from components.server.server import Server


def router(server: "Server") -> APIRouter:
    """Return the routes of both pages."""
    front = Front(server)
    routes = APIRouter()
    for part in (people, reasons, operations):
        routes.include_router(part.router(front))
    return routes
