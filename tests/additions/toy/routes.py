"""One route and one page."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse


def routes(context: Any) -> list[APIRouter]:
    """Return GET /greeting."""
    router = APIRouter()

    @router.get("/greeting")
    def greeting(name: str = "you") -> dict[str, str]:
        """Greet."""
        greeter = context.models.current()
        return {"greeting": greeter.greet(name), "model": greeter.version}

    return [router]


def pages(context: Any) -> list[APIRouter]:
    """Return GET /hello, a page."""
    router = APIRouter(include_in_schema=False)

    @router.get("/hello")
    def hello() -> HTMLResponse:
        """Greet a person."""
        return HTMLResponse(f"<h1>{context.models.current().greet('reader')}</h1>")

    return [router]
