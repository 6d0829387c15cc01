"""What the server gives to the routes of an application."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, cast

from components.platform.params import Params
from components.platform.registry.policy import Policy
from components.platform.serving.activity import Activity
from components.platform.serving.clock import Clock
from components.platform.serving.event_hooks import EventHooks
from components.platform.serving.live_events import LiveEvents
from components.platform.serving.segments import Record
from components.platform.settings import Settings

State = TypeVar("State")


class Models(Protocol):
    """The loaded versions of an application's leading model."""

    policy: Policy

    @property
    def params(self) -> Params:
        """What the application answers by: the params of its champion's run."""

    def current(self) -> Any:
        """Return the champion; raise ModelError while there is none."""

    def loaded(self, version: str) -> Any | None:
        """Return a loaded version, None where it is not loaded (any more)."""

    def challenger(self) -> Any | None:
        """Return the challenger, loaded when it is asked for; None where there is none."""

    def state(self) -> str:
        """Say in one line what answers, or why nothing does."""


class EventSink(Protocol):
    """Where records are logged."""

    def append(self, records: Sequence[Record], durable: bool) -> int:
        """Write the records that are new and return their number; raise StorageError if not."""


class Replicas(Protocol):
    """What several servers have in common.

    Raises (all methods but `keep` and `share_value`):
        ServiceError: the other servers cannot be asked.
    """

    def keep(self, key: str, answer: bytes) -> None:
        """Let every server know an answer, soon."""

    def kept(self, key: str) -> bytes | None:
        """Return an answer that any server gave, None where it is forgotten."""

    def require(self) -> None:
        """Raise unless the other servers can be asked, without asking."""

    def charge(
        self, offer: str, budget: str, event_id: str, price: float, limit: float, spent: float
    ) -> float:
        """Return what a click costs, and count it as spent in the same step."""

    def share_value(
        self, name: str, take: Callable[[bytes], None], present: Callable[[], bytes]
    ) -> None:
        """Hold a value in common: `take` gets another server's, `present` returns this one's."""

    def publish_value(self, name: str, value: bytes) -> None:
        """Give a value held in common to every server."""


class Background(Protocol):
    """Work beside the requests, in a thread of its own."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End, and return when it has."""


@dataclass(eq=False)
class ServingContext:
    """One application in one server process; all but `models` is the process's own."""

    models: Models
    settings: Settings
    clock: Clock
    live: LiveEvents
    log: EventSink
    hooks: EventHooks
    activity: Activity
    replicas: Replicas | None = None  # None: one process
    background: list[Background] = field(default_factory=list)  # the server starts and stops it
    _states: dict[object, object] = field(default_factory=dict, init=False, repr=False)

    @property
    def params(self) -> Params:
        """What the application answers by now: the next champion may bring others."""
        return self.models.params

    def state(self, make: Callable[["ServingContext"], State]) -> State:
        """Return what `make` makes of this context, made once: routes and pages share it."""
        if make not in self._states:
            self._states[make] = make(self)
        return cast(State, self._states[make])
