"""From a template to an answer: everything is escaped, nothing comes from elsewhere."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

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
    return Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page(template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Render a template of this folder with the headers that every page has."""
    text = _environment().get_template(template).render(**values)
    return HTMLResponse(text, status, HEADERS)


def static(name: str) -> bytes:
    """Return a file of the folder `static`; only names in FILES are ever asked for."""
    return (HERE / "static" / name).read_bytes()
