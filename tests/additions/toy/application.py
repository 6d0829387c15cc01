"""Toy: greets whoever asks, as warmly as it was trained to."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from components.platform import params as shared
from components.platform.application import (
    Application,
    DriftInput,
    Model,
    Packages,
    Run,
    Serving,
    Stage,
)
from components.platform.gate.rules import Gate, Line
from components.platform.params import Section

if TYPE_CHECKING:
    from fastapi import APIRouter

    from components.platform.drift.weekly import Weekly
    from components.platform.gate.measured import Comparisons
    from components.platform.tracking import Package


class ToyParams(Section):
    """How the toy greets."""

    warmth: float = Field(0.5, ge=0, le=1, description="Mean warmth of a greeting")


class Params(shared.Params):
    """What the toy has of params.yaml."""

    toy: ToyParams = ToyParams()

    @property
    def dataset(self) -> str:
        """Name of the data."""
        return "toy"


def _package(run: Run) -> "Package":
    from components.toy.packaged import package

    return package(run)


def _comparisons(run: Run) -> "Comparisons":
    from components.toy.measuring import comparisons

    return comparisons(run)


def _statistics(given: DriftInput) -> "Weekly":
    from components.toy.measuring import statistics

    return statistics(given)


def _load(packages: Packages, params: Params, live: object) -> Any:
    from components.toy.packaged import Greeter

    return Greeter(packages.version, packages.folders["greeter"])


def _routes(context: Any) -> "Sequence[APIRouter]":
    from components.toy.routes import routes

    return routes(context)


def _pages(context: Any) -> "Sequence[APIRouter]":
    from components.toy.routes import pages

    return pages(context)


TOY = Application(
    name="toy",
    title="Toy",
    stages={
        "toy_training": Stage(
            "components.toy.training",
            {"model": Path("models/toy"), "verdict": Path("reports/toy.json")},
        )
    },
    params=Params,
    models=(Model("greeter", _package, leads=True),),
    names={"greeter": "toy-greeter"},
    gate=Gate(lines=(Line(measure="warmth/all", rule="primary", margin=0.1),)),
    comparisons=_comparisons,
    statistics=_statistics,
    origin=lambda run: {"dataset": "toy", "pipeline_run": shared_run()},
    serving=Serving(load=_load, routes=_routes, pages=_pages),
)


def shared_run() -> str:
    """Return the pipeline run that a stage belongs to."""
    from components.platform.settings import settings

    return settings().run_id or "none"
