"""A server that takes events and nothing else, as a process of its own: no champion is needed.

SHOPFUSION_EVENT_KEY=... SHOPFUSION_SPOOL=... python -m tests.server.intake PORT
"""

import sys

import uvicorn
from fastapi import FastAPI

from components.platform.params import FeedbackParams
from components.platform.serving import clock
from components.platform.serving.event_hooks import EventHooks
from components.platform.settings import settings
from components.server.events import router as events
from components.server.events.log import EventLog
from components.server.events.shipper import Shipper


def make(ship_seconds: float = 0.5) -> tuple[FastAPI, EventLog]:
    """Return the app on the spool of the environment; a segment is closed every half second."""
    own = settings()
    log = EventLog.open(own.spool, own.spool_megabytes << 20)
    own_clock = clock.Clock(own.serving_clock)
    app = FastAPI()
    app.include_router(events.router(log, EventHooks(), own_clock, FeedbackParams))
    app.include_router(clock.router(own_clock))
    if own.has_store:
        Shipper(log, seconds=ship_seconds).start()
    return app, log


if __name__ == "__main__":
    app, _ = make()
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
