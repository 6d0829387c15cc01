"""From a template to an answer: everything is escaped, nothing comes from elsewhere."""

from collections.abc import Callable, Coroutine
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from components.platform.errors import ModelError, ServiceError
from components.shop_ranking.ads.campaigns import SIMULATED

HERE = Path(__file__).parent
# No script at all; pictures, styles and forms from and to this server only.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@lru_cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.tests["simulated"] = lambda campaign: str(campaign).startswith(SIMULATED)
    return made


def page(template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Render a template of this folder with the headers that every page has."""
    text = _environment().get_template(template).render(**values)
    return HTMLResponse(text, status, HEADERS)


class PageRoute(APIRoute):
    """A route whose errors are pages too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, with what people can meet told in a page."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except (ModelError, ServiceError) as error:
                lines = [
                    "The server is up, and answers as soon as a model is the champion.",
                    "Train one: make demo, or the DAG shop_ranking_training in Airflow.",
                    f"Now: {error.found}.",
                ]
                return _message(503, "No model answers yet", lines)
            except RequestValidationError as error:
                first = error.errors()[0]
                lines = [f"{first['loc'][-1]}: {first['msg']}."]
                return _message(422, "This address is not complete", lines)

        return handled


def _message(status: int, heading: str, lines: list[str]) -> HTMLResponse:
    return page(
        "message.html", status, visitor=None, labels=(), here="", heading=heading, lines=lines
    )


def static(name: str) -> bytes:
    """Return a file of the folder `static`; only names in FILES are ever asked for."""
    return (HERE / "static" / name).read_bytes()
