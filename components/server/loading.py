"""Load a version of an application's model with the params that it answers by."""

from dataclasses import dataclass

from components.platform.application import Application, Packages, Served
from components.platform.errors import ParamsError
from components.platform.params import PARAMS, Params
from components.platform.progress import say
from components.platform.serving.live_events import LiveEvents


@dataclass(frozen=True)
class Loaded:
    """A version that can answer, and the params of the run that it comes from."""

    model: Served
    run_params: Params | None  # None: it comes from no registered run

    @property
    def version(self) -> str:
        """Registered name and version."""
        return self.model.version


@dataclass(frozen=True)
class Loader:
    """Loads versions as their application does; they answer nobody yet."""

    application: Application
    live: LiveEvents
    params: Params  # of the checkout: for what comes from no registered run

    def load(self, packages: Packages, run_params: Params | None) -> Loaded:
        """Read packages by the params of their run, or by the checkout's, and a line that says so.

        Raises:
            ParamsError: the application does not serve.
            ShopError: a package cannot be read.

        """
        serving = self.application.serving
        if serving is None:
            raise ParamsError(
                f"the application {self.application.name} to serve its model", "no `serving`",
                "say in its application.py how the model is loaded",
            )  # fmt: skip
        if run_params is None:
            say(f"{packages.version} is of no registered run: it answers by {PARAMS} as it is here")
        params = self.params if run_params is None else run_params
        return Loaded(serving.load(packages, params, self.live), run_params)
