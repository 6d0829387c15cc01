"""Docs are tested: links lead somewhere; what they name exists, and what exists is named."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from components.applications import APPLICATIONS
from components.shop_ranking.params import Params
from services import reference, supervision
from tests.shop_ranking.serving.shop import app_of, make_server

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
        if not any(param.startswith(f"{name}.") for param in known)
    }
    assert not unknown
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= targets


def test_every_param_has_a_meaning() -> None:
    schema = Params.model_json_schema()
    for section in schema["$defs"].values():
        for name, field in section.get("properties", {}).items():
            assert "description" in field or "$ref" in field, name


def every_page() -> str:
    return "\n".join(page.read_text() for page in PAGES if page.name != "CHANGELOG.md")


def test_the_reference_is_that_of_the_models() -> None:
    written = (ROOT / "docs" / "reference.md").read_text()
    assert written == reference.page(), "python -m services.reference > docs/reference.md"


def test_every_setting_that_is_named_exists() -> None:
    known = set(re.findall(r"`(SHOPFUSION_[A-Z0-9_]+)`", reference.page()))
    elsewhere = {"SHOPFUSION_BENCHMARK_DATA", supervision.MARK}
    assert set(re.findall(r"\bSHOPFUSION_[A-Z0-9_]*[A-Z0-9]\b", every_page())) <= known | elsewhere


def test_every_dag_is_named_and_every_named_one_exists() -> None:
    jobs = {path.stem for path in (ROOT / "dags").glob("*.py")} - {"feedback_ingestion"}
    dags = {f"{owner.name}_{job}" for owner in APPLICATIONS for job in jobs}
    dags |= {"feedback_ingestion"}
    text = every_page()
    assert {name for name in dags if f"`{name}`" not in text} == set()
    named = re.findall(r"\bDAGs? `([a-z_]+)`|`([a-z_]+)` DAG\b", text)
    assert {quoted or other for quoted, other in named} <= dags


def test_every_endpoint_is_named_and_every_named_one_exists(tmp_path: Path) -> None:
    server = make_server(None, tmp_path)
    try:
        app = app_of(server)
        documented = {
            f"{method.upper()} {path}"
            for path, methods in app.openapi()["paths"].items()
            for method in methods
        }
        routes = {
            f"{method} {route.path.replace(':path', '')}"
            for route in app.routes
            for method in getattr(route, "methods", None) or ()
        }
    finally:
        server.log.close()
    text = re.sub(r"\b(GET|POST|PUT) ((?:/[^\s,`]+, )+)(?=/)", _each, every_page())
    named = set(re.findall(r"\b((?:GET|POST|PUT) /(?!api/)[a-z][a-z_/{}]*)", text))
    assert {route for route in documented if route not in named} == set()
    assert {route for route in named if route not in routes} == set()


def _each(several: re.Match[str]) -> str:
    """`GET /health, /ready` names GET /ready too."""
    method = several.group(1)
    return f"{method} {several.group(2)}".replace(", /", f", {method} /") + f"{method} "
