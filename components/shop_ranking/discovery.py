"""What there is of each kind of thing: its folder says it, so a new one is one new file.

Fusion methods and adapters are found without importing them: params need their names where torch
and DuckDB are not to be loaded. Towers and surfaces say light things of themselves, and are
imported.
"""

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

HERE = Path(__file__).parent


def named_modules(folder: str, line: str) -> dict[str, str]:
    """Return name -> module of the modules of a folder that hold a line, by name.

    The name is the module's with dashes. A registered package may lack the folder: then none.

    Args:
        folder: below components/shop_ranking.
        line: what the source of such a module holds; {name} stands for the name.

    """
    names = {path.stem.replace("_", "-"): path for path in sorted((HERE / folder).glob("*.py"))}
    return {
        name: path.stem
        for name, path in names.items()
        if line.format(name=name) in path.read_text().splitlines()
    }


def registered(package: str, constant: str) -> list[Any]:
    """Return what the modules of a package define as `constant`, by its `place` and `name`."""
    modules = (
        import_module(f"{package}.{module.name}")
        for module in iter_modules(import_module(package).__path__)
    )
    things = [getattr(module, constant) for module in modules if hasattr(module, constant)]
    return sorted(things, key=lambda thing: (thing.place, thing.name))


METHODS = named_modules("engine/fusion", '    name: ClassVar[str] = "{name}"')
ADAPTERS = named_modules(
    "data_ingestion/adapters", "def acquire(params: Params, raw: Path) -> None:"
)
