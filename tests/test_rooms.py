"""Rooms: who may know of whom, beyond what the import contracts say."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import grimp
import networkx
import pytest

from components.applications import APPLICATIONS
from components.shop_ranking.surfaces import SURFACES
from components.shop_ranking.towers import TOWERS

ROOT = Path(__file__).parents[1]
EVERYDAY = {"home", "similar", "basket", "search"}  # words that also mean something else
# Encoders are shared by applications and called by what they read; the data contract has columns
# of these names.
EXCEPTED = ("platform/encoders/", "platform/schemas/")


# What shop ranking alone talks of, in code or in prose. A feedback record has items, and a column
# that says which campaign paid for its slot: that is the contract that all applications share.
FOREIGN = re.compile(
    r"\b(towers?|shoppers?|baskets?|receipts?|sponsored (slots?|products?))\b", re.IGNORECASE
)


def modules(*rooms: str) -> Iterator[Path]:
    for room in rooms:
        for path in sorted((ROOT / room).rglob("*.py")):
            if not any(part in path.as_posix() for part in EXCEPTED):
                yield path


def called(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize(
    "path",
    modules("components/platform", "components/server", "components/commands", "dags"),
    ids=called,
)
def test_what_all_applications_share_does_not_talk_of_one_of_them(path: Path):
    lines = enumerate(path.read_text().splitlines(), start=1)
    assert [f"{number}: {line.strip()}" for number, line in lines if FOREIGN.search(line)] == []


@pytest.mark.parametrize(
    "path",
    modules("components/platform", "components/server", "components/commands", "dags"),
    ids=called,
)
def test_no_shared_module_names_an_application_a_surface_or_a_tower(path: Path):
    names = {application.name for application in APPLICATIONS} | (SURFACES.keys() - EVERYDAY)
    names |= {f"{tower}_tower" for tower in TOWERS} | {f"{tower}_pretraining" for tower in TOWERS}
    names |= {"behaviour", "fused-ranker"}
    tree = ast.parse(path.read_text())
    said = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    said |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert said & names == set()


def test_no_module_imports_itself_by_a_detour():
    """Nor does one by a function's import, but for what an application.py names."""
    graph = grimp.build_graph("components")
    arrows = networkx.DiGraph(
        (importer, imported)
        for importer in graph.modules
        if not importer.endswith(".application")
        for imported in graph.find_modules_directly_imported_by(importer)
    )
    assert list(networkx.simple_cycles(arrows)) == []
