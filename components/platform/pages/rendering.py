"""From a template to an answer: everything is escaped, nothing comes from elsewhere."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from components.platform.errors import ModelError, ServiceError, ShopError

HERE = Path(__file__).parent
# No script at all; pictures, styles and forms from and to this server only.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
MEDIA_TYPES = {".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}


class Pages:
    """The pages of one application.

    Its templates may extend those that all applications share: base.html (head with the menu,
    labels, content, foot), message.html, sign_in.html. Every page has the values title, menu and
    styles; `link` turns a path of the menu into an address, which may carry who looks.

    Args:
        application: its name; its title stands where a page has none of its own.
        title: of the application.
        folder: with its `templates` and, where it has any, `static` files.
        menu: paths of its pages and what the menu calls them, the first page first.
        tests: of templates, beside those of Jinja.

    """

    def __init__(
        self, application: str, title: str, folder: Path, menu: Sequence[tuple[str, str]],
        tests: Mapping[str, Callable[[Any], bool]] | None = None,
    ) -> None:  # fmt: skip
        self.application, self.menu, self.static = application, tuple(menu), folder / "static"
        self._environment = Environment(
            loader=FileSystemLoader([folder / "templates", HERE / "templates"]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.tests.update(tests or {})
        sheets = (path for path in files_of(self.static) if path.suffix == ".css")
        self._environment.globals.update(
            title=title, menu=self.menu, styles=[f"/pages/{path.name}" for path in sheets]
        )

    def page(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """Render a template with the headers that every page has."""
        shared = {"labels": (), "here": "", "link": lambda path: path}
        text = self._environment.get_template(template).render(**shared | values)
        return HTMLResponse(text, status, HEADERS)

    def router(self) -> APIRouter:
        """Return a router without routes, whose errors are pages too, out of the API's document."""
        pages = self

        class PageRoute(APIRoute):
            def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
                handle = super().get_route_handler()

                async def handled(request: Request) -> Response:
                    try:
                        return await handle(request)
                    except (ModelError, ServiceError, RequestValidationError) as error:
                        return pages.error(error)

                return handled

        return APIRouter(include_in_schema=False, route_class=PageRoute)

    def error(self, error: ShopError | RequestValidationError) -> HTMLResponse:
        """Tell what a visitor can meet: no model yet, or an address that is not complete."""
        if isinstance(error, RequestValidationError):
            first = error.errors()[0]
            lines = [f"{first['loc'][-1]}: {first['msg']}."]
            return self.message(422, "This address is not complete", lines)
        lines = [
            "The server is up, and answers as soon as a model is the champion.",
            f"Train one: make demo, or the DAG {self.application}_training in Airflow.",
            f"Now: {error.found}.",
        ]
        return self.message(503, "No model answers yet", lines)

    def message(self, status: int, heading: str, lines: Sequence[str]) -> HTMLResponse:
        """Return a page of a heading and some lines."""
        return self.page("message.html", status, heading=heading, lines=lines)


def files_of(folder: Path) -> list[Path]:
    """Return the static files of a folder, which need not exist."""
    return sorted(path for path in folder.glob("*") if path.suffix in MEDIA_TYPES)


def static_router(folder: Path = HERE / "static") -> APIRouter:
    """Return GET /pages/<name> of each file of a folder; of those that all applications share."""
    routes = APIRouter(include_in_schema=False)
    for path in files_of(folder):
        routes.add_api_route(f"/pages/{path.name}", _asset(path))
    return routes


def _asset(path: Path) -> Callable[[], Response]:
    headers = HEADERS | {"Cache-Control": "max-age=3600"}

    def asset() -> Response:
        return Response(path.read_bytes(), media_type=MEDIA_TYPES[path.suffix], headers=headers)

    return asset
