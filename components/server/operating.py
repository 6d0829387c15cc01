"""The routes for those who run the server: health, readiness, metrics, refresh."""

from fastapi import APIRouter, Depends, HTTPException, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from components.platform.errors import RegistryError
from components.platform.serving.keys import RESPONSES, require_admin_key
from components.platform.serving.messages import problem
from components.server.server import Server


class Ready(BaseModel):
    """Whether requests can be answered, and by what."""

    ready: bool
    model: str  # of the first application
    applications: dict[str, str] | None = None  # what answers in each, where there are several
    replicas: str | None = None  # one of many, or why they do not know of each other


def router(server: Server) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["operation"])

    def state() -> Ready:
        states = server.states()
        return Ready(
            ready=server.ready(),
            model=next(iter(states.values())),
            applications=states if len(states) > 1 else None,
            replicas=server.replicas.state() if server.replicas else None,
        )

    @routes.get("/health")
    def health() -> dict[str, str]:
        """The process is alive."""
        return {"status": "alive"}

    @routes.get("/ready", response_model_exclude_none=True, responses={503: {"model": Ready}})
    def ready(response: Response) -> Ready:
        """Whether models answer, which, and what was refused."""
        answer = state()
        if not answer.ready:
            response.status_code = 503
        return answer

    @routes.get("/metrics", response_class=Response)
    def metrics() -> Response:
        """Prometheus metrics."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    @routes.post(
        "/admin/champion/refresh",
        dependencies=[Depends(require_admin_key)],
        response_model_exclude_none=True,
        responses=RESPONSES | problem(502, "The registry does not answer"),
    )
    def refresh() -> Ready:
        """Follow the champion alias of every application now, not at the next look."""
        try:
            server.refresh()
        except RegistryError as error:
            raise HTTPException(502, str(error)) from error
        return state()

    return routes
