"""One route and one page."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Response

from components.platform.pages.rendering import Pages

PAGES = Pages("toy", "Toy", Path(__file__).parent, menu=(("/hello", "Hello"),))


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
    router = PAGES.router()

    @router.get("/hello")
    def hello() -> Response:
        """Greet a person."""
        greeting = context.models.current().greet("reader")
        return PAGES.page("hello.html", here="/hello", greeting=greeting)

    return [router]
