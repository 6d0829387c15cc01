"""The web application: the server's own routes and the applications', and errors in one line."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi_offline import FastAPIOffline

from components.platform.errors import ModelError, ServiceError, ShopError
from components.platform.pages.rendering import static_router
from components.platform.serving import clock, telemetry
from components.platform.serving.activity import Activity
from components.server import operating
from components.server.events import router as events
from components.server.routes import check_routes
from components.server.server import Server

OWN = "the server"  # owner of the routes that no application has


def create_app(server: Server) -> FastAPI:
    """Return the web application around `server`.

    Raises:
        ServiceError: two applications have the same route.

    """
    titles = ", ".join(application.title for application in server.applications)
    app: FastAPI = FastAPIOffline(
        title="shopfusion",
        description=f"Answers of registered models: {titles}.",
        version="1",
        redoc_url=None,
    )
    routers = _routers(server)
    check_routes(routers)
    for own in routers.values():
        for router in own:
            app.include_router(router)
    answer_errors(app)
    app.add_middleware(Metered, activity=server.activity)
    return app


def _routers(server: Server) -> Mapping[str, Sequence[APIRouter]]:
    """Return the routers by owner: the server, or an application by its name."""
    routers: dict[str, list[APIRouter]] = {
        OWN: [
            events.router(server.log, server.hooks, server.clock, lambda: server.feedback),
            operating.router(server),
            clock.router(server.clock),
            static_router(),
        ]
    }
    for application in server.applications:
        if application.serving is not None:
            context = server.contexts[application.name]
            routers[application.name] = [
                *application.serving.routes(context),
                *application.serving.pages(context),
            ]
    return routers


def answer_errors(app: FastAPI) -> None:
    """Let errors be answered by one line, also where the request holds what JSON cannot say."""
    app.add_exception_handler(RequestValidationError, _bad_request)
    app.add_exception_handler(ShopError, _shop_error)


class Metered:
    """ASGI middleware: counts requests and takes their time, by route."""

    def __init__(self, app: Any, activity: Activity) -> None:
        self.app, self.activity = app, activity

    async def __call__(
        self, scope: dict[str, Any], receive: Any, send: Callable[[Any], Awaitable[None]]
    ) -> None:
        """Pass the request on and note how it went."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500
        self.activity.note()

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
    given = repr(first.get("input"))[:80]
    line = f"expected a valid {where}: {first['msg']}; found {given}; see /docs"
    return JSONResponse({"detail": line}, 422)


def _shop_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ShopError)
    status = 503 if isinstance(error, ModelError | ServiceError) else 500
    return JSONResponse({"detail": str(error)}, status)
