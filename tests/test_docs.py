"""Docs are tested: links lead somewhere, and every param and make target they name exists."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from components.params import Params

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("mlflow/*.md")])


def fields(model: type[BaseModel], prefix: str = "") -> set[str]:
    """Return the dotted name of every param."""
    names = set()
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names |= fields(kind, f"{prefix}{name}.")
        else:
            names.add(prefix + name)
    return names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    missing = [
        link for link in links if "://" not in link and not (page.parent / link).resolve().exists()
    ]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_params_and_make_targets_exist(page: Path) -> None:
    text = page.read_text()
    sections = "|".join(name for name in Params.model_fields if name != "seed")
    named = set(re.findall(rf"`((?:{sections})\.[a-z_]+(?:\.[a-z_]+)*)`", text))
    files = {name for name in named if name.endswith((".parquet", ".json", ".py", ".npz"))}
    known = fields(Params) | set(Params.model_fields)
    # A section of a section, such as data.simulation, may be named as a whole.
    unknown = {
        name
        for name in named - files - known
        if not any(one.startswith(f"{name}.") for one in known)
    }
    assert not unknown
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)`", text)) <= targets


def test_every_param_has_a_meaning() -> None:
    schema = Params.model_json_schema()
    for section in schema["$defs"].values():
        for name, field in section.get("properties", {}).items():
            assert "description" in field or "$ref" in field, name
