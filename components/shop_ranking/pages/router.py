"""Everything at the server's root that a person sees."""

from fastapi import APIRouter

from components.platform.pages.rendering import static_router
from components.shop_ranking.pages import operations, reasons, storefront
from components.shop_ranking.pages.page_context import PAGES, PageContext
from components.shop_ranking.serving.service import Service


def router(service: Service) -> APIRouter:
    """Return the routes of all pages."""
    context = PageContext(service)
    routes = APIRouter()
    for part in (storefront, reasons, operations):
        routes.include_router(part.router(context))
    routes.include_router(static_router(PAGES.static))
    return routes
