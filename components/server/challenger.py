"""The version beside the champion, loaded when a page asks for it and let go when it is no more."""

import threading

from components.champions import run_params
from components.platform.application import Application
from components.platform.errors import ModelError
from components.platform.files import scratch_folder
from components.platform.registry.fetching import called, fetch
from components.platform.tracking import Version
from components.server.gc_pauses import collect_soon
from components.server.loading import Loaded, Loader
from components.server.refusing import Refused, passes, refusal


class Challenger:
    """At most one loaded challenger; loading it holds up nobody but who asks for it.

    What cannot be loaded is remembered and not fetched again before the alias has moved.
    """

    def __init__(self, application: Application, loader: Loader) -> None:
        """`loader` reads packages as the champion's are read."""
        self._application, self._loader = application, loader
        self._refused: Refused | None = None
        self._champion: Loaded | None = None
        self._loading = threading.Lock()

    @property
    def loaded(self) -> Loaded | None:
        """What is loaded now."""
        return self._champion

    def load(self, version: Version) -> Loaded:
        """Return this version, loaded by the params of its own run if it is not yet.

        Raises:
            ModelError: it cannot be loaded, or does not answer its warm-up.
            RegistryError: the registry does not answer.
            StorageError: the disk refuses the version; it is tried again.

        """
        name = called(version)
        with self._loading:
            if self._champion is not None and self._champion.version == name:
                return self._champion
            if self._refused is None or self._refused.version != name:
                self._drop()  # its memory first
                self._refused = None
                try:
                    with scratch_folder() as folder:
                        params = run_params(self._application, version)
                        packages = fetch(self._application, version, folder)
                        self._champion = self._loader.load(packages, params)
                        return self._champion
                except Exception as error:  # whatever is wrong with it, the page says it
                    if passes(error):
                        raise
                    self._refused = refusal(name, error)
                    collect_soon()  # what was loaded of it
            raise ModelError(
                f"a challenger {name} that answers", self._refused.reason, "train it again"
            )

    def follow(self, version: str | None) -> None:
        """Let go of what is not this version."""
        if self._champion is not None and self._champion.version != version:
            self._drop()

    def _drop(self) -> None:
        if self._champion is not None:
            self._champion = None
            collect_soon()  # it holds itself in cycles

    def take(self, version: str) -> Loaded | None:
        """Return and let go of the challenger if it is this version: it becomes the champion."""
        taken = self._champion
        if taken is None or taken.version != version:
            return None
        self._champion = None
        return taken
