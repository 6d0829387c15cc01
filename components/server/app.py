"""The web application: routers, metrics, and errors in one line."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from components.platform.errors import ModelError, RegistryError, ServiceError, ShopError
from components.platform.serving import clock, telemetry
from components.platform.serving.keys import RESPONSES, require_admin_key
from components.server.events import router as events
from components.server.server import Server
from components.shop_ranking.ads import router as ads
from components.shop_ranking.pages import router as pages
from components.shop_ranking.serving import answering, explaining
from components.shop_ranking.serving.api import problem


class Ready(BaseModel):
    """Whether shoppers can be answered, and by what."""

    ready: bool
    model: str
    replicas: str | None = None  # one of many, or why they do not know of each other


def create_app(server: Server) -> FastAPI:
    """Return the application around `server`."""
    app: FastAPI = FastAPIOffline(
        title="shopfusion",
        description="Search, recommendations and sponsored products by one fused ranker.",
        version="1",
        redoc_url=None,
    )
    for router in (
        answering.router,
        explaining.router,
        ads.router,
        events.router,
        operating,
        pages.router,
    ):
        app.include_router(router(server))
    app.include_router(clock.router(server.clock))
    answer_errors(app)
    app.add_middleware(Metered)
    return app


def answer_errors(app: FastAPI) -> None:
    """Let errors be answered by one line, also where the request holds what JSON cannot say."""
    app.add_exception_handler(RequestValidationError, _bad_request)
    app.add_exception_handler(ShopError, _shop_error)


def operating(server: Server) -> APIRouter:
    """Return the routes for those who run the server."""
    routes = APIRouter(tags=["operation"])

    def ready_by(model: str, ready: bool = True) -> Ready:
        replicas = server.replicas.state() if server.replicas else None
        return Ready(ready=ready, model=model, replicas=replicas)

    @routes.get("/health")
    def health() -> dict[str, str]:
        """The process is alive."""
        return {"status": "alive"}

    @routes.get("/ready", response_model_exclude_none=True, responses={503: {"model": Ready}})
    def ready(response: Response) -> Ready:
        """Whether a champion answers, which, and what was refused."""
        try:
            server.champion.current()
        except ModelError:
            response.status_code = 503
            return ready_by(server.champion.state(), ready=False)
        return ready_by(server.champion.state())

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
        """Follow the champion alias now, without waiting for the next look."""
        try:
            server.champion.refresh()
            server.champion.current()
        except RegistryError as error:
            raise HTTPException(502, str(error)) from error
        return ready_by(server.champion.state())

    return routes


class Metered:
    """ASGI middleware: counts requests and takes their time, by route."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(
        self, scope: dict[str, Any], receive: Any, send: Callable[[Any], Awaitable[None]]
    ) -> None:
        """Pass the request on and note how it went."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def watched(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watched)
        finally:
            route = scope.get("route")
            endpoint = getattr(route, "path", "none")
            telemetry.REQUESTS.labels(endpoint, str(status)).inc()
            telemetry.SECONDS.labels(endpoint).observe(time.perf_counter() - started)


def _bad_request(request: Request, error: Exception) -> JSONResponse:
    """Say in one line what was expected, what was found, and what to do."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or "body"
    found = repr(first.get("input"))[:80]
    line = f"expected a valid {where}: {first['msg']}; found {found}; see /docs"
    return JSONResponse({"detail": line}, 422)


def _shop_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ShopError)
    status = 503 if isinstance(error, ModelError | ServiceError) else 500
    return JSONResponse({"detail": str(error)}, status)
