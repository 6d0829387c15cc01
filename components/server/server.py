"""What the routers share."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from components.platform.serving.batching import Waiting
from components.platform.serving.clock import Clock
from components.platform.settings import Settings
from components.server.model_manager import ModelManager
from components.shop_ranking.params import Params
from components.shop_ranking.serving.impressions import Impressions

if TYPE_CHECKING:
    from components.server.events.log import EventLog
    from components.server.replicas.replicas import Replicas


@dataclass
class Server:
    """One process: the champion that answers, the clock, the event log, the ads."""

    champion: ModelManager
    clock: Clock
    log: "EventLog"
    settings: Settings
    params: Params
    impressions: Impressions
    ads: Any = None
    replicas: "Replicas | None" = None  # None: one process
    waiting: Waiting = field(init=False)

    def __post_init__(self) -> None:
        """Let requests of every kind that wait at one moment be made ready together."""
        self.waiting = Waiting(
            lambda requests: self.champion.current().prepare(requests, self.clock.now()),
            lambda request: self.champion.current().reading(request),
        )
