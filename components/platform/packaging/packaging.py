"""What a registered model consists of: its folder's digest, and the code that loads it."""

import ast
import hashlib
import shutil
from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path

from components.platform.tracking import Package

REQUIREMENTS = Path("requirements-serving.lock")
COMPONENTS = Path(__file__).parents[2]


def content_digest(package: Package) -> str:
    """Return the SHA-256 of a package: names and contents of its files and of the code it runs."""
    files = {path.relative_to(package.folder): path for path in package.folder.rglob("*")}
    code = {path.relative_to(COMPONENTS): path for path in reachable_files(package.modules)}
    digest = hashlib.sha256()
    for part in (files, code):
        for name in sorted(name for name, path in part.items() if path.is_file()):
            with part[name].open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{name.as_posix()} {content}\n".encode())
    return digest.hexdigest()


def ship_code(modules: Collection[str], scratch: Path) -> Path:
    """Copy modules, and all they import of this repository, to a folder `components`.

    The registered models of an application carry it, so they answer where this repository is not
    installed. All of them carry the same: Python imports `components` once, whichever model a
    process loads first.
    """
    target = scratch / "code" / "components"
    for source in reachable_files(modules):
        copy = target / source.relative_to(COMPONENTS)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, copy)
    return target


def reachable_files(modules: Collection[str]) -> set[Path]:
    """Return the source files of `components` that importing these modules may load."""
    queue, seen, files = list(modules), set[str](), set[Path]()
    while queue:
        name = queue.pop()
        if name in seen or name.split(".")[0] != "components":
            continue
        seen.add(name)
        try:
            spec = find_spec(name)
        except ModuleNotFoundError:  # `from components.a import b` where b is no module
            continue
        if spec is None or spec.origin is None:
            continue
        source = Path(spec.origin)
        files.add(source)
        queue.append(name.rpartition(".")[0])
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Import):
                queue += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                queue += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return files
