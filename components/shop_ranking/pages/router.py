"""Everything at the server's root that a person sees."""

from fastapi import APIRouter

from components.shop_ranking.pages import operations, reasons
from components.shop_ranking.pages import storefront as people
from components.shop_ranking.pages.page_context import Front
from components.shop_ranking.serving.service import Service


def router(service: Service) -> APIRouter:
    """Return the routes of both pages."""
    front = Front(service)
    routes = APIRouter()
    for part in (people, reasons, operations):
        routes.include_router(part.router(front))
    return routes
