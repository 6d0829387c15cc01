"""The business's page: what the models earn, what waits for a person, where to look further."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from components.platform.errors import ShopError
from components.platform.feedback.off_policy import concluded
from components.platform.settings import Settings, settings
from components.shop_ranking.pages import session
from components.shop_ranking.pages.approvals import open_approvals
from components.shop_ranking.pages.feedback import read_feedback
from components.shop_ranking.pages.figures import report
from components.shop_ranking.pages.page_context import Front
from components.shop_ranking.pages.rendering import PageRoute, page


def router(front: Front) -> APIRouter:
    """Return the routes; `front` knows the champion."""
    routes = APIRouter(include_in_schema=False, route_class=PageRoute)

    @routes.get("/operations")
    def operations(request: Request) -> Response:
        """Figures for whoever has the admin key."""
        if not session.signed_in(request):
            return _sign_in_form()
        figures, challengers, problem = None, {}, ""
        try:
            figures, challengers = report(read_feedback(front.category_of)), concluded()
        except ShopError as error:
            problem = f"The feedback cannot be read: {error}."
        return page(
            "operations.html",
            visitor=None,
            labels=front.labels(),
            here="/operations",
            champion=front.version(),
            now=front.now(),
            approvals=open_approvals(settings()),
            links=_links(settings()),
            report=figures,
            challengers=challengers,
            problem=problem,
        )

    @routes.post("/operations/sign-in")
    def sign_in(request: Request, key: Annotated[str, Form(max_length=200)]) -> Response:
        """Take the admin key; from then on a cookie stands for it."""
        if not session.is_key(key):
            return _sign_in_form(401, "This is not the admin key.")
        answer = RedirectResponse("/operations", 303)
        session.sign_in(request, answer)
        return answer

    @routes.post("/operations/sign-out")
    def sign_out() -> Response:
        """Forget who is signed in."""
        answer = RedirectResponse("/operations", 303)
        session.sign_out(answer)
        return answer

    return routes


def _sign_in_form(status: int = 200, problem: str = "") -> Response:
    return page(
        "sign_in.html",
        status,
        visitor=None,
        labels=(),
        here="/operations",
        open=session.is_open(),
        problem=problem,
    )


def _links(found: Settings) -> list[tuple[str, str]]:
    """Return the other pages of the platform, those that are configured."""
    mlflow = found.mlflow_uri if found.mlflow_uri.startswith("http") else ""
    airflow = f"{found.airflow_url}/required_actions" if found.airflow_url else ""
    named = {
        "Airflow": found.airflow_url,
        "Required Actions": airflow,
        "MLflow": f"{mlflow}/#/models" if mlflow else "",
        "Evidently": found.evidently_url,
    }
    return [(name, address) for name, address in named.items() if address]
