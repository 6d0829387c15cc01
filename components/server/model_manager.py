"""The champion that answers now, and how the next one takes over without a request failing."""

import threading
import time
from collections.abc import Callable
from typing import Any

from components.champions import run_params
from components.platform import tracking
from components.platform.application import Application, Packages
from components.platform.errors import ModelError, StorageError
from components.platform.files import scratch_folder
from components.platform.params import Params
from components.platform.progress import say
from components.platform.registry.fetching import called, fetch
from components.platform.registry.policy import Policy
from components.platform.serving import telemetry
from components.platform.serving.live_events import LiveEvents
from components.server.challenger import Challenger
from components.server.gc_pauses import collect_soon
from components.server.loading import Loaded, Loader
from components.server.refusing import Refused, passes, refusal

POLL_SECONDS = 2.0
LONGEST_PAUSE = 8.0  # seconds between looks that fail: a registry that is back is soon followed


class ModelManager:
    """Watches an alias; loads aside, warms up, then swaps one reference.

    A request reads the reference once, so it is answered by one version from start to end; the
    old one is freed when its last request is done. What does not load or does not answer its
    warm-up never takes over, and is not tried again before the alias has moved.

    A version answers by the params of the run that it comes from.
    """

    def __init__(
        self,
        application: Application,
        live: LiveEvents,
        params: Params,
        policy: Policy,
        loaded: Callable[[Loaded], None] = lambda champion: None,
    ) -> None:
        """`loaded` is called with each new champion before it answers its first request.

        `params` are the checkout's, for what comes from no registered run.
        """
        self.application, self.policy = application, policy
        self.refused: Refused | None = None
        self.trouble = ""  # why the alias is not followed at present
        self.looked = False  # whether a champion was looked for, with whatever success
        self._loaded = loaded
        self._current: Loaded | None = None
        self._loader = Loader(application, live, params)
        self._run_params: Params | None = None
        of = application.name
        self._swaps, self._failures = telemetry.SWAPS.labels(of), telemetry.FAILURES.labels(of)
        self._unfollowed = telemetry.UNFOLLOWED.labels(of)
        self._load_seconds = telemetry.LOADING.labels(of)
        self._checked = telemetry.CHECKED.labels(of)
        self._challenger = Challenger(application, self._loader)
        self._loading = threading.Lock()  # one champion is loaded at a time
        self._following = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def answers(self) -> bool:
        """Tell whether there is a champion."""
        return self._current is not None

    @property
    def run_params(self) -> Params | None:
        """Params of the run of the champion that answers, or is about to; None without a run."""
        return self._run_params

    @property
    def params(self) -> Params:
        """What this application answers by: its run's params, the checkout's without a run."""
        return self._loader.params if self._run_params is None else self._run_params

    def current(self) -> Any:
        """Return the champion.

        Raises:
            ModelError: there is none yet.

        """
        if self._current is None:
            raise ModelError("a champion", self.state(), "register one, or move the alias")
        return self._current.model

    def state(self) -> str:
        """Say in one line what answers, or why nothing does, and what is wrong."""
        parts = [self._current.version if self._current else "no champion yet"]
        if self.refused:
            parts.append(f"{self.refused.version} was refused: {self.refused.reason}")
        if self.trouble:
            parts.append(f"the alias is not followed: {self.trouble}")
        return "; ".join(parts)

    def use(self, packages: Packages, run_params: Params | None = None) -> bool:
        """Load packages and let them answer by the params of their run; return whether they do.

        Raises:
            StorageError: the disk refuses what a first champion needs here; it is not refused.

        """
        return self._take_over(packages.version, lambda: self._loader.load(packages, run_params))

    def _take_over(self, version: str, load: Callable[[], Loaded]) -> bool:
        with self._loading:
            started = time.perf_counter()
            try:
                champion = load()
                self._load_seconds.set(time.perf_counter() - started)
                self._swap(champion)
            except StorageError:  # of this machine, not of the version
                raise
            except Exception as error:  # whatever is wrong with it, the one that works stays
                self._refuse(version, error)
                return False
        say(f"champion {version} answers after {time.perf_counter() - started:.1f} s")
        collect_soon()  # the old one holds itself in cycles
        return True

    def _swap(self, champion: Loaded) -> None:
        self._run_params = champion.run_params  # what follows goes by them
        self._loaded(champion)
        before, self._current = self._current, champion
        self.refused = None
        if before is not None:
            telemetry.MODEL.remove(before.version)
        telemetry.MODEL.labels(champion.version).set(1)
        self._swaps.inc()

    def _refuse(self, version: str, error: Exception) -> None:
        self.refused = refusal(version, error)
        self._failures.inc()
        collect_soon()  # what was loaded of it
        say(f"champion {version} refused: {type(error).__name__}: {error}")

    def challenger(self) -> Any | None:
        """Return the challenger, loaded when it is asked for; None where there is none.

        It is the champion itself where both aliases point at one version.

        Raises:
            ModelError: it cannot be loaded.
            RegistryError: the registry does not answer.

        """
        version = tracking.version_at(self.policy.leading, self.policy.aliases.challenger)
        if version is None:
            return None
        current = self._current
        if current is not None and current.version == called(version):
            return current.model
        return self._challenger.load(version).model

    def loaded(self, version: str) -> Any | None:
        """Return a loaded champion or challenger by version, without loading anything."""
        for loaded in (self._current, self._challenger.loaded):
            if loaded is not None and loaded.version == version:
                return loaded.model
        return None

    def refresh(self) -> bool:
        """Follow the aliases now; return whether another version took over.

        A version of which the registry lacks a part is refused like one that does not load.

        Raises:
            RegistryError: the registry does not answer.
            StorageError: the disk refuses the version; it is tried again.

        """
        with self._following:
            version = tracking.version_at(self.policy.leading, self.policy.aliases.champion)
            self._checked.set_to_current_time()
            if version is None:
                return False
            name = called(version)
            if self._current is not None and self._current.version == name:
                self.refused = None  # the alias went back to what answers
                self._let_go()
                return False
            if self.refused is not None and self.refused.version == name:
                return False
            ready = self._challenger.take(name)
            if ready is not None:
                return self._take_over(name, lambda: ready)
            try:
                params = run_params(self.application, version)
                with scratch_folder() as folder:
                    return self.use(fetch(self.application, version, folder), params)
            except Exception as error:
                if passes(error):
                    raise
                self._refuse(name, error)
                return False

    def _let_go(self) -> None:
        """Free a challenger that became the champion, or that the alias has left."""
        if self._challenger.loaded is None:
            return
        version = tracking.version_at(self.policy.leading, self.policy.aliases.challenger)
        mine = version is None or self._current is None or called(version) == self._current.version
        self._challenger.follow(None if mine or version is None else called(version))

    def watch(self) -> None:
        """Follow the alias from now on, in a thread of its own."""
        self._thread = threading.Thread(
            target=self._watch, name=f"models-{self.application.name}", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        pause = POLL_SECONDS
        while not self._stopped.is_set():
            try:
                self.refresh()
                self.trouble, pause = "", POLL_SECONDS
            except Exception as error:  # this thread is the only one that follows the alias
                self._unfollowed.inc()
                said = refusal("", error).reason
                if not self.trouble:  # once, not at every look
                    say(f"the champion's alias is not followed: {type(error).__name__}: {error}")
                self.trouble, pause = said, min(2 * pause, LONGEST_PAUSE)
            self.looked = True
            self._stopped.wait(pause)
