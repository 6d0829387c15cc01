"""Models as the registry holds them: packages, and what can be loaded of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import mlflow
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types.schema import Array, ColSpec, DataType, Schema

from components.platform.tracking.connection import answering


class Predictor(Protocol):
    """A loaded model."""

    def predict(self, requests: pd.DataFrame) -> pd.DataFrame:
        """Answer one row a request."""


@dataclass(frozen=True)
class Column:
    """One column of a signature: kind is string, long or double; `many` makes it a list."""

    name: str
    kind: str
    many: bool = False
    required: bool = True


@dataclass(frozen=True)
class Package:
    """What becomes one version of a registered model.

    `loader` is a module whose `_load_pyfunc(folder)` returns a Predictor; it, the other `modules`
    that it imports by name, and what they import of this repository are in `code`, a folder
    called `components`.
    """

    folder: Path
    loader: str
    modules: tuple[str, ...]
    code: Path
    requirements: Path
    inputs: tuple[Column, ...]
    outputs: tuple[Column, ...]
    example: pd.DataFrame
    tags: Mapping[str, str] = field(default_factory=dict)  # of the version


def save(package: Package, folder: Path) -> Path:
    """Write a package as an MLflow model on this machine, as the registry will hold it."""
    mlflow.pyfunc.save_model(str(folder), **flavor(package))
    return folder


def load(uri: str) -> Predictor:
    """Load a registered (models:/name@alias) or saved (folder) model.

    Raises:
        RegistryError: there is no such model, or it cannot be loaded.

    """
    with answering():
        return mlflow.pyfunc.load_model(uri)


def flavor(package: Package) -> dict[str, Any]:
    """Return a package as the arguments of mlflow.pyfunc."""
    return {
        "loader_module": package.loader,
        "data_path": str(package.folder),
        "code_paths": [str(package.code)],
        "pip_requirements": str(package.requirements),
        "signature": ModelSignature(_schema(package.inputs), _schema(package.outputs)),
        "input_example": package.example,
    }


def _schema(columns: tuple[Column, ...]) -> Schema:
    kinds = [
        Array(DataType[column.kind]) if column.many else DataType[column.kind] for column in columns
    ]
    return Schema(
        [
            ColSpec(kind, column.name, required=column.required)
            for kind, column in zip(kinds, columns, strict=True)
        ]
    )
