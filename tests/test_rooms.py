"""Rooms: who may know of whom, beyond what the import contracts say."""

import ast
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


def modules() -> Iterator[Path]:
    for room in ("platform", "server"):
        for path in sorted((ROOT / "components" / room).rglob("*.py")):
            if not any(part in path.as_posix() for part in EXCEPTED):
                yield path


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_of_platform_or_server_names_an_application_a_surface_or_a_tower(path: Path):
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
