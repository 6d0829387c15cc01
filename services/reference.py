"""`python -m services.reference > docs/reference.md`: every param and setting, from its model."""

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from components.applications import APPLICATIONS
from components.platform.settings import Settings
from services.replay.settings import ReplaySettings
from services.settings import ServiceSettings

HEAD = """# Reference

Every param and every setting. Written by `python -m services.reference > docs/reference.md`; a test
holds it equal to the params of every application in `components/applications.py`,
`components/platform/settings.py` and `services/settings.py`.

## Params

What may change a result: `params.yaml`, and Airflow's trigger form.
"""
SETTINGS = """
## Settings

Addresses, folders and keys, from the environment.

| variable | default | meaning |
|---|---|---|
"""


def page() -> str:
    """Return the page."""
    params = {name: field for owner in APPLICATIONS for name, field in _params(owner.params)}
    rows = [
        f"| `{name}` | {_shown(field.get_default(call_default_factory=True))} "
        f"| {_limits(field)} | {field.description} |"
        for name, field in params.items()
    ]
    table = "| param | default | values | meaning |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"
    fields = {**Settings.model_fields, **ServiceSettings.model_fields}
    fields |= {f"replay_{name}": field for name, field in ReplaySettings.model_fields.items()}
    settings = [
        f"| `SHOPFUSION_{name.upper()}` | {_shown(field.default)} | {field.description} |"
        for name, field in sorted(fields.items())
    ]
    return HEAD + "\n" + table + SETTINGS + "\n".join(settings) + "\n"


def _params(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _params(kind, f"{prefix}{name}.")
        else:
            yield prefix + name, field


def _shown(value: Any) -> str:
    if value is None or value == "" or isinstance(value, SecretStr):
        return "none" if not isinstance(value, SecretStr) else "for development only"
    return f"`{value}`"


def _limits(field: FieldInfo) -> str:
    """Return the bounds of a number, or the words to choose from."""
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{word}`" for word in get_args(field.annotation))
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    return ", ".join(
        f"{sign} {getattr(limit, name):g}"
        for limit in field.metadata
        for name, sign in signs.items()
        if getattr(limit, name, None) is not None
    )


if __name__ == "__main__":
    print(page(), end="")
