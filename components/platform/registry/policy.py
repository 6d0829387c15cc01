"""The registry policy of mlflow/registry.yaml, keyed by application: names, aliases, gate."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError

from components.platform.application import Application
from components.platform.errors import RegistryError
from components.platform.gate.rules import Gate
from components.platform.params.section import Section

POLICY = Path("mlflow/registry.yaml")
REMEDY = "see the meaning and range of each key in components/platform/registry/policy.py"


class Aliases(Section):
    """Names of the three moving pointers."""

    challenger: str = "challenger"
    champion: str = "champion"
    previous: str = "previous"


class _Entry(Section):
    """One application in the file."""

    models: dict[str, str] = Field(default_factory=dict)
    gate: Gate


class _File(Section):
    """The whole of mlflow/registry.yaml."""

    aliases: Aliases = Aliases()
    applications: dict[str, _Entry]


@dataclass(frozen=True)
class Policy:
    """The policy of one application."""

    application: str
    leading: str  # registered name of the model that aliases point at
    names: Mapping[str, str]  # key of a model -> its registered name
    aliases: Aliases
    gate: Gate


def load_policy(application: Application, path: Path = POLICY) -> Policy:
    """Read and check the registry policy of an application.

    An application that the file does not name has the gate of its application.py; a model that the
    file does not name is called as the application says.

    Raises:
        RegistryError: the file is absent, is not YAML, has an unknown key or a value out of range;
            or the application has no gate, or a model has no name.

    """
    file = _read(path)
    entry = file.applications.get(application.name)
    gate = entry.gate if entry else application.gate
    names = {**application.names, **(entry.models if entry else {})}
    keys = [model.key for model in application.models]
    if gate is None:
        raise RegistryError(
            f"a gate for the application {application.name} in {path} or its application.py",
            "none",
            f"add {application.name} to {path}",
        )
    _require_names(application.name, keys, names, path)
    return Policy(application.name, names[application.leading.key], names, file.aliases, gate)


def _read(path: Path) -> _File:
    try:
        values: Any = yaml.safe_load(path.read_text())
        return _File.model_validate(values)
    except FileNotFoundError as error:
        raise RegistryError(f"the file {path}", "none", "run from the repository root") from error
    except yaml.YAMLError as error:
        raise RegistryError(
            f"YAML in {path}", " ".join(str(error).split()), "correct the file"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "mapping"
        raise RegistryError(
            f"a valid {where} in {path}", f"{first.get('input')!r} ({first['msg']})", REMEDY
        ) from error


def _require_names(
    application: str, keys: Collection[str], names: Mapping[str, str], path: Path
) -> None:
    if set(keys) != set(names):
        raise RegistryError(
            f"names of the models {', '.join(sorted(keys))} of {application}",
            f"names of {', '.join(sorted(names)) or 'none'}",
            f"name each of them once in {path}",
        )
