"""What an application tells the platform: all of it stands in the application's `application.py`.

The platform reads nothing else of an application, and names none: registry, gate, packaging,
promotion, drift, the DAGs and the server work on whatever `components.applications` lists.
What is heavy (torch, MLflow, Evidently) is imported inside the functions that are named here, so
that a DAG file can read the list in milliseconds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from components.platform.errors import ParamsError
from components.platform.gate.rules import Gate
from components.platform.params import Params

if TYPE_CHECKING:
    from datetime import date, datetime

    from fastapi import APIRouter

    from components.platform.drift.weekly import Weekly
    from components.platform.gate.measured import Comparisons
    from components.platform.registry.policy import Policy
    from components.platform.serving.context import ServingContext
    from components.platform.serving.live_events import LiveEvents
    from components.platform.tracking import Package, Version


RETRAIN, WARM_START = "retrain", "warm_start"  # keys of a training's conf that are no params


@dataclass(frozen=True)
class Stage:
    """One stage of dvc.yaml: `module` has `run(params, **paths)`; paths as dvc.yaml names them."""

    module: str
    paths: Mapping[str, Path]
    processes: bool = False  # trains in one process a device

    def run(self, params: Params) -> None:
        """Run the stage in the current folder."""
        work: Callable[..., None] = import_module(self.module).run
        work(params, **self.paths)


@dataclass(frozen=True)
class Run:
    """What a registration stage knows: the params, its paths by name, and a scratch folder."""

    params: Params
    paths: Mapping[str, Path]
    scratch: Path


@dataclass(frozen=True)
class Packages:
    """Folders of the registered packages that answer together: the leading model and its parts."""

    version: str  # of the leading model, e.g. greeter/3
    folders: Mapping[str, Path]  # key of a model -> its folder; a part may be absent


class Served(Protocol):
    """A loaded leading model."""

    @property
    def version(self) -> str:
        """Registered name and version."""

    @property
    def as_of(self) -> "datetime":
        """End of the data that it was trained on."""


@dataclass(frozen=True)
class Model:
    """One registered model; the platform asks the functions only when it needs them.

    The leading model is what the gate judges, aliases point at and a server loads; its version
    names the versions of all others in tags `parent_<key>`.
    """

    key: str  # what registry.yaml calls it
    package: Callable[[Run], "Package"]
    leads: bool = False
    served: bool = True  # a server needs its files too


@dataclass(frozen=True)
class Serving:
    """How the leading model answers.

    `load` reads packages and answers a request of every kind once; `answer` answers one request
    of those that `requests` makes, which is what the gate times.
    """

    load: Callable[[Packages, Any, "LiveEvents"], Any]  # packages, params, live events
    routes: Callable[["ServingContext"], Sequence["APIRouter"]] = lambda context: ()
    pages: Callable[["ServingContext"], Sequence["APIRouter"]] = lambda context: ()
    answer: Callable[[Any, Any], object] | None = None


@dataclass(frozen=True)
class Retraining:
    """What a training on feedback is told, in the keys of a trigger's conf.

    `own` are overrides of the champion's run that another run does not take on. `window_end` is
    the first day that the champion's run had no data of, None where that is unknown;
    `earliest_end` the first day at which a window can end that its models go on in. `same` keeps
    what the champion was trained on; `window` moves its end to a day, with feedback from a source.
    `refresh` is for a training of the leading model alone.
    """

    same: Callable[["Version"], Mapping[str, Any]]
    window: Callable[["date", str], Mapping[str, Any]]
    window_end: Callable[["Version"], "date | None"]
    earliest_end: Callable[["Version"], "date"]
    refresh: Callable[["Version"], Mapping[str, Any]] | None = None
    own: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Application:
    """Everything that the platform has to know of an application.

    `comparisons` returns what was measured of challenger, champion and baselines: the gate's
    lines in mlflow/registry.yaml name those measures; `gate` holds lines for an application that
    the file does not name. `statistics` returns the statistics of every week that drift watches.
    `origin` returns the tags that say where a run's models come from. `counterfactual` writes what
    the challenger would have shown in the place of logged answers, and returns for how many; it
    is given the params of the champion's run, and a function that returns those of a version's.

    `tables` are files of a run that drift and feedback read; they are published with it. `items`
    names the one whose column item_id holds every item. `form` are paths in params.yaml that the
    form of a training shows, with their titles. `takes_over` are keys of parts that a run may take
    over from the champion: the section of params.yaml of the same name has `start_from`, `reuse`.
    `paths` are params that name a file or folder; a relative one means the checkout.
    """

    name: str
    title: str
    stages: Mapping[str, Stage]
    params: type[Params] = Params
    models: tuple[Model, ...] = ()
    comparisons: Callable[[Run], "Comparisons"] | None = None
    statistics: "Callable[[DriftInput], Weekly] | None" = None
    origin: Callable[[Run], Mapping[str, str]] = lambda run: {}
    retraining: Retraining | None = None
    counterfactual: "Callable[[Any, Callable[[Version], Any], Policy], int] | None" = None
    tables: tuple[Path, ...] = ()
    items: str | None = None
    form: Mapping[str, str] = field(default_factory=dict)
    takes_over: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    serving: Serving | None = None
    gate: Gate | None = None
    # Key of a model -> its registered name, where registry.yaml gives it none.
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def leading(self) -> Model:
        """The model that the gate judges and aliases point at.

        Raises:
            ParamsError: the application registers no model, or several lead.

        """
        leading = [model for model in self.models if model.leads]
        if len(leading) != 1:
            raise ParamsError(
                f"one leading model of the application {self.name}",
                f"{len(leading)}",
                "set leads=True on one Model in its application.py",
            )
        return leading[0]

    @property
    def parts(self) -> tuple[Model, ...]:
        """The models that the leading one is made of."""
        return tuple(model for model in self.models if not model.leads)


@dataclass(frozen=True)
class DriftInput:
    """What statistics are computed from.

    `tables` holds the data contract's tables of the champion's run; `feedback` partitions that
    take over from them, None for none; `champion` is None where nothing is registered yet.
    """

    params: Params
    tables: Path
    feedback: Path | None
    champion: "Version | None"
    cache: Path
