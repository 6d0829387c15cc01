"""One server process: what all applications share, and a model manager for each that serves."""

from collections.abc import Sequence

from components.platform.application import Application
from components.platform.errors import ShopError
from components.platform.params import FeedbackParams, Params
from components.platform.registry.policy import Policy
from components.platform.serving.activity import Activity
from components.platform.serving.clock import Clock
from components.platform.serving.context import Background, ServingContext
from components.platform.serving.event_hooks import EventHooks
from components.platform.serving.live_events import LiveEvents
from components.platform.settings import Settings
from components.server.events.log import EventLog
from components.server.events.recovery import Recovery
from components.server.loading import Loaded
from components.server.model_manager import ModelManager
from components.server.replicas.redis_client import RedisClient
from components.server.replicas.replicas import Replicas


class Server:
    """The clock, the event log and its hooks, the replicas, and the applications' models."""

    def __init__(
        self, settings: Settings, clock: Clock, log: EventLog, feedback: FeedbackParams
    ) -> None:
        """Prepare a server without applications.

        `feedback` says which events it takes and keeps before a champion's run does.

        Raises:
            ServiceError: the address of Redis is none.

        """
        self.settings, self.clock, self.log = settings, clock, log
        self._checkout = feedback
        self.live = LiveEvents(feedback.live_events, feedback.live_users)
        self.hooks, self.activity = EventHooks(), Activity()
        self.hooks.subscribe(self.live.accept)
        log.subscribe(self.hooks.deliver)
        self.replicas = self._make_replicas()
        self.recovery = Recovery(log, self.hooks, clock, self.replicas)
        self.applications: list[Application] = []
        self.managers: dict[str, ModelManager] = {}  # by name of the application
        self.contexts: dict[str, ServingContext] = {}

    def add(self, application: Application, params: Params, policy: Policy) -> ModelManager:
        """Serve an application; its models answer once its manager has loaded one."""
        name = application.name
        manager = ModelManager(
            application, self.live, params, policy,
            lambda champion: self._prepare(name, champion),
        )  # fmt: skip
        self.applications.append(application)
        self.managers[name] = manager
        self.contexts[name] = ServingContext(
            models=manager,
            settings=self.settings,
            clock=self.clock,
            live=self.live,
            log=self.log,
            hooks=self.hooks,
            activity=self.activity,
            replicas=self.replicas,
        )
        return manager

    @property
    def feedback(self) -> FeedbackParams:
        """Which events are taken and kept, by the rule of ingestion (champions.feedback_params).

        So says the champion's run of the first application that has items and a champion with a
        run; before there is one, the checkout.
        """
        for application in self.applications:
            params = self.managers[application.name].run_params
            if application.items is not None and params is not None:
                return params.feedback
        return self._checkout

    def _prepare(self, name: str, champion: Loaded) -> None:
        """Let a champion that is about to answer know what happened since its data ended.

        Raises:
            StorageError: the disk refuses what a first champion needs here.

        """
        feedback = self.feedback
        self.live.keep(feedback.live_events, feedback.live_users)
        self.recovery.start(name, champion.model.as_of)

    @property
    def background(self) -> Sequence[Background]:
        """The applications' work beside the requests."""
        return [work for context in self.contexts.values() for work in context.background]

    def ready(self) -> bool:
        """Tell whether requests can be answered.

        So it is once one application has a model and every other was looked for: one whose model
        does not load keeps nobody else from answering.
        """
        managers = self.managers.values()
        return any(manager.answers for manager in managers) and all(
            manager.answers or manager.looked for manager in managers
        )

    def states(self) -> dict[str, str]:
        """Say of each application in one line what answers, or why nothing does."""
        return {name: manager.state() for name, manager in self.managers.items()}

    def refresh(self) -> None:
        """Let every application follow its champion alias now.

        Raises:
            RegistryError, StorageError: one could not; the others have.
            ModelError: no application has a champion.

        """
        failure: ShopError | None = None
        for manager in self.managers.values():
            try:
                manager.refresh()
            except ShopError as error:
                failure = failure or error
        if failure is not None:
            raise failure
        if not any(manager.answers for manager in self.managers.values()):
            for manager in self.managers.values():
                manager.current()

    def close(self) -> None:
        """Follow no alias any more, and let go of the other replicas."""
        for manager in self.managers.values():
            manager.close()
        if self.replicas is not None:
            self.replicas.stop()

    def _make_replicas(self) -> Replicas | None:
        """Return what makes this process one of several; None where it is alone."""
        key = self.settings.redis_url
        url = key.get_secret_value() if key else ""
        return Replicas(RedisClient(url), self.log, self.hooks, self.clock) if url else None
