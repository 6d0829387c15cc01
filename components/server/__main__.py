"""`python -m components.server`: one server process, on loopback unless told otherwise."""

import signal
import sys
import threading
from collections.abc import Callable

import uvicorn

from components.platform.application import Packages, Served
from components.platform.errors import ServiceError, ShopError, StorageError
from components.platform.registry.policy import load_policy
from components.platform.serving.clock import Clock
from components.platform.serving.live_events import LiveEvents, moment_of
from components.platform.settings import Settings, settings
from components.server.app import create_app
from components.server.events.log import EventLog
from components.server.events.recovery import past
from components.server.events.shipper import Shipper
from components.server.gc_pauses import Garbage
from components.server.model_manager import ModelManager
from components.server.replicas.redis_client import Link
from components.server.replicas.replicas import Replicas
from components.server.server import Server
from components.shop_ranking.ads.ads import Ads
from components.shop_ranking.application import SHOP_RANKING
from components.shop_ranking.params import load_params
from components.shop_ranking.serving.impressions import Impressions
from components.shop_ranking.serving.prefetch import Ahead

MEGABYTE = 1 << 20


def main() -> int:
    """Serve until told to stop; return the exit code."""
    found = settings()
    try:
        params, policy = load_params(), load_policy(SHOP_RANKING)
        clock = Clock(found.serving_clock)
        log = EventLog.open(found.spool, found.spool_megabytes * MEGABYTE)
    except ShopError as error:
        print(f"serving: {error}", file=sys.stderr)
        return 1
    live, ads = LiveEvents(), Ads(found.spool, params.ads)
    log.subscribe(live.accept)
    log.subscribe(ads.observe)
    try:
        replicas = _replicas(found, log, live, ads, clock)
    except ServiceError as error:
        print(f"serving: {error}", file=sys.stderr)
        return 1
    holder = ModelManager(
        SHOP_RANKING, live, params, policy, starting(clock, log, live, ads, replicas)
    )
    server = Server(holder, clock, log, found, params, Impressions(replicas), ads, replicas)
    ahead = Ahead(server)
    log.subscribe(ahead.accept)  # after those whose state it reads
    if replicas:
        replicas.subscribe(ahead.accept)
    ahead.start()
    garbage = Garbage(ahead.idle_seconds)
    garbage.start()
    shipper = Shipper(log) if found.s3_endpoint else None
    if shipper:
        shipper.start()
        ads.watch()
    # uvicorn raises the signal again when it has shut down: what follows it here is still to come.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    try:
        if found.serving_package is None:
            holder.watch()
        else:
            folder = found.serving_package
            holder.use(
                Packages(
                    "local",
                    {model.key: folder / model.key for model in SHOP_RANKING.models
                     if (folder / model.key).is_dir()},
                )
            )  # fmt: skip
        uvicorn.run(
            create_app(server), host=found.serving_host, port=found.serving_port,
            access_log=False, log_level="warning",
        )  # fmt: skip
    except StorageError as error:
        print(f"serving: {error}", file=sys.stderr)
        return 1
    finally:
        garbage.stop()
        ahead.stop()
        holder.close()
        if replicas:
            replicas.stop()
        if shipper:
            shipper.stop()
        log.close()
    return 0


def _replicas(
    found: Settings, log: EventLog, live: LiveEvents, ads: Ads, clock: Clock
) -> Replicas | None:
    """Return what makes this process one of several; None where it is alone."""
    url = found.redis_url.get_secret_value() if found.redis_url else ""
    return Replicas(Link(url), log, live, ads, clock) if url else None


def starting(
    clock: Clock, log: EventLog, live: LiveEvents, ads: Ads, replicas: Replicas | None = None
) -> Callable[[Served], None]:
    """Return what happens when a champion is about to answer for the first time."""
    known = threading.Event()  # a champion that fails before that is not the first

    def start(champion: Served) -> None:
        clock.start(champion.as_of)
        if not known.is_set():  # events from before this process
            for records in past(log, champion.as_of):
                live.accept(records)
                ads.observe(records)
                # The clock of a replay goes on where it stood.
                clock.start(
                    max((moment_of(one["received_at"]) for one in records), default=champion.as_of)
                )
            if replicas is not None:  # and from other processes
                replicas.start(champion.as_of)
            known.set()

    return start


if __name__ == "__main__":
    sys.exit(main())
