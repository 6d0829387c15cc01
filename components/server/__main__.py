"""`python -m components.server`: one server process, on loopback unless told otherwise."""

import signal
import sys
from contextlib import ExitStack

import uvicorn
from fastapi import FastAPI

from components.applications import APPLICATIONS, read_params, read_shared_params
from components.platform.application import Application, Packages
from components.platform.errors import ShopError
from components.platform.progress import say
from components.platform.registry.policy import load_policy
from components.platform.serving.clock import Clock
from components.platform.settings import Settings, settings
from components.server.app import create_app
from components.server.events.log import EventLog
from components.server.events.shipper import Shipper
from components.server.gc_pauses import GcPauses
from components.server.server import Server

MEGABYTE = 1 << 20
# While threads make answers ready, the event loop would wait 5 ms for its turn, Python's default,
# at each step. Capacity only: changes no result.
TURN_SECONDS = 0.0001


def main() -> int:
    """Serve until told to stop; return the exit code."""
    sys.setswitchinterval(TURN_SECONDS)
    with ExitStack() as stack:
        try:
            server, app = _prepare(settings(), stack)
            # uvicorn raises the signal again when it has shut down: what is on the stack follows.
            signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
            _start(server, stack)
            uvicorn.run(
                app, host=server.settings.serving_host, port=server.settings.serving_port,
                access_log=False, log_level="warning",
            )  # fmt: skip
        except ShopError as error:
            print(f"serving: {error}", file=sys.stderr)
            return 1
    return 0


def _prepare(own: Settings, stack: ExitStack) -> tuple[Server, FastAPI]:
    """Return a server of all applications that serve, and its web application.

    Raises:
        ShopError: params, policy, spool or the address of Redis are not right, or two
            applications have the same route.

    """
    serving = [application for application in APPLICATIONS if application.serving is not None]
    read = [(owner, read_params(owner), load_policy(owner)) for owner in serving]
    clock = Clock(own.serving_clock)
    log = EventLog.open(own.spool, own.spool_megabytes * MEGABYTE)
    stack.callback(log.close)
    if own.has_store:
        shipper = Shipper(log)
        shipper.start()
        stack.callback(shipper.stop)
    else:
        say(f"serving: SHOPFUSION_S3_ENDPOINT is not set: events stay in {own.spool}")
    server = Server(own, clock, log, read_shared_params().feedback)
    stack.callback(server.close)
    for owner, params, policy in read:
        server.add(owner, params, policy)
    return server, create_app(server)


def _start(server: Server, stack: ExitStack) -> None:
    """Start what works beside the requests, and let every application find its model.

    Raises:
        StorageError: the disk refuses what a first champion needs here.

    """
    for work in (*server.background, GcPauses(server.activity)):
        work.start()
        stack.callback(work.stop)
    for place, manager in enumerate(server.managers.values()):
        if place == 0 and server.settings.serving_package is not None:
            manager.use(_local_packages(server.applications[0], server.settings))
        else:
            manager.watch()


def _local_packages(application: Application, own: Settings) -> Packages:
    """Return the packages in the folder of SHOPFUSION_SERVING_PACKAGE."""
    folder = own.serving_package
    assert folder is not None
    present = {model.key: folder / model.key for model in application.models}
    return Packages("local", {key: path for key, path in present.items() if path.is_dir()})


if __name__ == "__main__":
    sys.exit(main())
