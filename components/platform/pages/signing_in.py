"""Signing in and out: the form, and the two routes behind it."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from components.platform.pages import session
from components.platform.pages.rendering import Pages


def router(pages: Pages, path: str) -> APIRouter:
    """Return POST <path>/sign-in and <path>/sign-out, which lead back to the page at `path`."""
    routes = pages.router()

    @routes.post(f"{path}/sign-in")
    def sign_in(request: Request, key: Annotated[str, Form(max_length=200)]) -> Response:
        """Take the admin key; from then on a cookie stands for it."""
        if not session.is_key(key):
            return form(pages, path, 401, "This is not the admin key.")
        answer = RedirectResponse(path, 303)
        session.sign_in(request, answer)
        return answer

    @routes.post(f"{path}/sign-out")
    def sign_out() -> Response:
        """Forget who is signed in."""
        answer = RedirectResponse(path, 303)
        session.sign_out(answer)
        return answer

    return routes


def form(pages: Pages, path: str, status: int = 200, problem: str = "") -> Response:
    """Return the form that stands at `path` for whoever is not signed in."""
    return pages.page(
        "sign_in.html",
        status,
        here=path,
        heading=dict(pages.menu).get(path, "Sign in"),
        open=session.is_open(),
        problem=problem,
    )
