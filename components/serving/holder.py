"""The champion that answers now, and how the next one takes over without a request failing."""

import gc
import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from components import tracking
from components.errors import ModelError, RegistryError
from components.params import Params
from components.progress import say
from components.registry import Policy
from components.serving import telemetry
from components.serving.champion import Champion, Packages
from components.serving.live_events import LiveEvents
from components.tracking import Version

POLL_SECONDS = 2.0


class Refused(NamedTuple):
    """A version that could not take over."""

    version: str
    reason: str


class ChampionHolder:
    """Watches an alias; loads aside, warms up, then swaps one reference.

    A request reads the reference once, so it is answered by one version from start to end; the
    old one is freed when its last request is done. What does not load or does not answer its
    warm-up never takes over, and is not tried again before the alias has moved.
    """

    def __init__(
        self, live: LiveEvents, params: Params, policy: Policy,
        loaded: Callable[[Champion], None] = lambda champion: None,
    ) -> None:  # fmt: skip
        """`loaded` is called with each new champion before it answers its first request."""
        self.live, self.params, self.policy = live, params, policy
        self.refused: Refused | None = None
        self._loaded = loaded
        self._current: Champion | None = None
        self._challenger: Champion | None = None
        self._loading = threading.Lock()  # one model is loaded at a time
        self._asked = threading.Event()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def current(self) -> Champion:
        """Return the champion.

        Raises:
            ModelError: there is none yet.

        """
        if self._current is None:
            raise ModelError("a champion", self.state(), "register one, or move the alias")
        return self._current

    def state(self) -> str:
        """Say in one line what answers, or why nothing does."""
        refused = (
            f"; {self.refused.version} was refused: {self.refused.reason}" if self.refused else ""
        )
        return (self._current.version if self._current else "no champion yet") + refused

    def use(self, packages: Packages) -> bool:
        """Load packages and let them answer; return whether they do."""
        with self._loading:
            started = time.perf_counter()
            try:
                champion = Champion.load(packages, self.live, self.params)
            except Exception as error:  # whatever is wrong with it, the one that works stays
                self.refused = Refused(packages.version, " ".join(str(error).split())[:300])
                telemetry.FAILURES.inc()
                say(f"champion {packages.version} refused: {type(error).__name__}: {error}")
                return False
            self._loaded(champion)
            before, self._current = self._current, champion
            self.refused = None
            if before is not None:
                telemetry.MODEL.remove(before.version)
            telemetry.MODEL.labels(champion.version).set(1)
            telemetry.SWAPS.inc()
            telemetry.LOADING.set(time.perf_counter() - started)
        say(f"champion {champion.version} answers after {time.perf_counter() - started:.1f} s")
        del before
        # The old one holds itself in cycles; the new one stays, and is not to be looked through
        # again at every full collection: 0.2 s in which nobody is answered.
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        return True

    def challenger(self) -> Champion | None:
        """Return the challenger, loaded when it is asked for; None where there is none.

        It is the champion itself where both aliases point at one version.
        """
        found = tracking.aliased(self.policy.models.fused, self.policy.aliases.challenger)
        if found is None:
            return None
        for loaded in (self._current, self._challenger):
            if loaded is not None and loaded.version == _called(found):
                return loaded
        with self._loading, TemporaryDirectory(prefix="challenger-") as folder:
            self._challenger = Champion.load(fetch(found, Path(folder)), self.live, self.params)
        return self._challenger

    def loaded(self, version: str) -> Champion | None:
        """Return a loaded champion or challenger by version, without loading anything."""
        for one in (self._current, self._challenger):
            if one is not None and one.version == version:
                return one
        return None

    def refresh(self) -> bool:
        """Follow the alias now; return whether another version took over.

        Raises:
            RegistryError: the registry does not answer.

        """
        found = tracking.aliased(self.policy.models.fused, self.policy.aliases.champion)
        telemetry.CHECKED.set_to_current_time()
        if found is None:
            return False
        called = _called(found)
        if self._current is not None and self._current.version == called:
            self.refused = None  # the alias went back to what answers
            return False
        if self.refused is not None and self.refused.version == called:
            return False
        with TemporaryDirectory(prefix="champion-") as folder:
            try:
                packages = fetch(found, Path(folder))
            except RegistryError:
                raise
            except Exception as error:
                self.refused = Refused(called, " ".join(str(error).split())[:300])
                telemetry.FAILURES.inc()
                say(f"champion {called} refused: {error}")
                return False
            return self.use(packages)

    def watch(self) -> None:
        """Follow the alias from now on, in a thread of its own."""
        self._thread = threading.Thread(target=self._watch, name="champion", daemon=True)
        self._thread.start()

    def ask(self) -> None:
        """Let the watching thread look at once."""
        self._asked.set()

    def close(self) -> None:
        """Stop watching."""
        self._stopped = True
        self._asked.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        silent = False
        while not self._stopped:
            try:
                self.refresh()
                silent = False
            except RegistryError as error:
                if not silent:  # once, not every two seconds
                    say(f"registry: {error}")
                silent = True
            self._asked.wait(POLL_SECONDS)
            self._asked.clear()


def fetch(version: Version, folder: Path) -> Packages:
    """Download a version and the towers it was made of.

    Raises:
        RegistryError: the registry does not answer, or lacks a part.

    """
    towers = {
        name: tracking.download(f"models:/{parent}", folder / name)
        for name in ("text", "image")
        if (parent := version.tags.get(f"parent_{name}"))
    }
    return Packages(
        version=_called(version),
        ranker=tracking.download(f"models:/{_called(version)}", folder / "ranker"),
        text=towers.get("text"),
        image=towers.get("image"),
    )


def _called(version: Version) -> str:
    return f"{version.name}/{version.version}"
