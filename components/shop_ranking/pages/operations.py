"""The business's page: what the models earn, what waits for a person, where to look further."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from components.platform.errors import ShopError
from components.platform.feedback.off_policy import concluded
from components.platform.pages import session, signing_in
from components.platform.pages.approvals import open_approvals
from components.platform.settings import Settings, settings
from components.shop_ranking.pages.feedback import read_feedback
from components.shop_ranking.pages.figures import report
from components.shop_ranking.pages.page_context import PAGES, PageContext

PATH = "/operations"


def router(context: PageContext) -> APIRouter:
    """Return the routes; `context` knows the champion."""
    routes = PAGES.router()
    routes.include_router(signing_in.router(PAGES, PATH))

    @routes.get(PATH)
    def operations(request: Request) -> Response:
        """Figures for whoever has the admin key."""
        if not session.signed_in(request):
            return signing_in.form(PAGES, PATH)
        figures, challengers, problem = None, {}, ""
        try:
            figures, challengers = report(read_feedback(context.category_of)), concluded()
        except ShopError as error:
            problem = f"The feedback cannot be read: {error}."
        return PAGES.page(
            "operations.html",
            labels=context.labels(),
            here=PATH,
            champion=context.version(),
            now=context.now(),
            approvals=open_approvals(settings()),
            links=_links(settings()),
            report=figures,
            challengers=challengers,
            problem=problem,
        )

    return routes


def _links(own: Settings) -> list[tuple[str, str]]:
    """Return the other pages of the platform, those that are configured."""
    mlflow = own.mlflow_uri if own.mlflow_uri.startswith("http") else ""
    airflow = f"{own.airflow_url}/required_actions" if own.airflow_url else ""
    named = {
        "Airflow": own.airflow_url,
        "Required Actions": airflow,
        "MLflow": f"{mlflow}/#/models" if mlflow else "",
        "Evidently": own.evidently_url,
    }
    return [(name, address) for name, address in named.items() if address]
