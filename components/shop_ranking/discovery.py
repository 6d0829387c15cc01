"""Which ways of fusion and which adapters there are: their folders say it, nothing is imported.

So a new one is one new file. Params need the names where torch and DuckDB are not to be loaded.
"""

from pathlib import Path

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


METHODS = named_modules("engine/fusion", '    name: ClassVar[str] = "{name}"')
ADAPTERS = named_modules(
    "data_ingestion/adapters", "def acquire(params: Params, raw: Path) -> None:"
)
