"""The registered greeter: what MLflow loads, and what the server asks."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from components.platform.application import Run
from components.platform.packaging.packaging import REQUIREMENTS, ship_code
from components.platform.tracking import Column, Package

LOADER = "components.toy.packaged"


class Greeter:
    """Greets with its warmth."""

    def __init__(self, version: str, folder: Path) -> None:
        self.version, self.as_of = version, datetime(2026, 1, 1, tzinfo=UTC)
        self.warmth = float(json.loads((folder / "greeter.json").read_text())["warmth"])

    def predict(self, requests: pd.DataFrame, params: object = None) -> pd.DataFrame:
        """Answer each row of `name` with a greeting."""
        return pd.DataFrame({"greeting": [self.greet(name) for name in requests["name"]]})

    def greet(self, name: str) -> str:
        """Return a greeting."""
        return f"hello {name}, {self.warmth:.2f}"


def package(run: Run) -> Package:
    """Put the greeter's folder together with the code that loads it."""
    return Package(
        folder=run.paths["model"],
        loader=LOADER,
        modules=(LOADER,),
        code=ship_code([LOADER], run.scratch),
        requirements=REQUIREMENTS,
        inputs=(Column("name", "string"),),
        outputs=(Column("greeting", "string"),),
        example=pd.DataFrame({"name": ["you"]}),
    )


def _load_pyfunc(folder: str) -> Greeter:
    return Greeter("local", Path(folder))
