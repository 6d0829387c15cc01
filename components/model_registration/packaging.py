"""What is registered: a folder with a model's files, the code that loads it, and its digest."""

import ast
import hashlib
import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from components.errors import DataError, ModelError
from components.files import read_table, write_json, write_table
from components.tracking import Column, Package

REQUIREMENTS = Path("requirements-serving.lock")
RANKER_LOADER = "components.model_registration.packaged_ranker"
TOWER_LOADER = "components.model_registration.packaged_tower"


def last_cut(prepared: Path) -> str:
    """Return the name of the latest cut; the registered models answer as of that day.

    Raises:
        DataError: there is no cuts.json, or it is empty.

    """
    try:
        cuts = json.loads((prepared / "cuts.json").read_text())
        return str(cuts[-1]["name"])
    except (FileNotFoundError, IndexError, KeyError, ValueError) as error:
        raise DataError(
            f"the time cuts in {prepared / 'cuts.json'}", repr(error), "run data_preparation"
        ) from error


def tower_package(tower: Path, prepared: Path, scratch: Path) -> Package:
    """Put a tower's folder together with the ids of its vectors.

    Raises:
        ModelError: the tower lacks its description or the vectors of the last cut.

    """
    cut = last_cut(prepared)
    lacking = [
        name
        for name in ("tower.json", f"{cut}/user_vectors.npy", f"{cut}/item_vectors.npy")
        if not (tower / name).is_file()
    ]
    if lacking:
        raise ModelError(f"a tower in {tower}", f"no {lacking[0]}", "train the tower again")
    folder = scratch / "packages" / tower.name
    shutil.copytree(tower, folder)
    write_json({"cut": cut}, folder / "package.json")
    for name in ("user", "item"):
        ids = read_table(prepared / f"{name}s.parquet", [f"{name}_id"])
        write_table(ids, folder / f"{name}s.parquet")
    return Package(
        folder=folder,
        loader=TOWER_LOADER,
        code=ship_code(scratch),
        requirements=REQUIREMENTS,
        inputs=(Column("kind", "string"), Column("id", "string")),
        outputs=(Column("vector", "double", many=True),),
        example=pd.DataFrame({"kind": ["item"], "id": [str(ids["item_id"][0])]}),
    )


def ranker_package(fused: Path, prepared: Path, scratch: Path) -> Package:
    """Put the chosen fused model together with what it needs to answer.

    Raises:
        ModelError: the fusion stage left no ranker.

    """
    if not (fused / "ranker").is_dir():
        raise ModelError(f"a ranker in {fused / 'ranker'}", "none", "run fusion_training again")
    folder = scratch / "packages" / "ranker"
    shutil.copytree(fused / "ranker", folder)
    shopper = str(read_table(prepared / "users.parquet", ["user_id"])["user_id"][0])
    item = str(read_table(prepared / "items.parquet", ["item_id"])["item_id"][0])
    return Package(
        folder=folder,
        loader=RANKER_LOADER,
        code=ship_code(scratch),
        requirements=REQUIREMENTS,
        inputs=(
            Column("user_id", "string"),
            Column("history", "string", many=True, required=False),
            Column("k", "long", required=False),
        ),
        outputs=(Column("item_ids", "string", many=True), Column("scores", "double", many=True)),
        example=pd.DataFrame({"user_id": [shopper], "history": [[item]], "k": [10]}),
    )


def content_digest(package: Package) -> str:
    """Return the SHA-256 of a package: names and contents of its files and of the code it runs."""
    root = Path(__file__).parents[1]
    files = {path.relative_to(package.folder): path for path in package.folder.rglob("*")}
    code = {path.relative_to(root): path for path in reachable_files(package.loader)}
    digest = hashlib.sha256()
    for part in (files, code):
        for name in sorted(name for name, path in part.items() if path.is_file()):
            with part[name].open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{name.as_posix()} {content}\n".encode())
    return digest.hexdigest()


def ship_code(scratch: Path) -> Path:
    """Copy the loaders, and all they import of this repository, to a folder `components`.

    The registered models carry it, so they answer where this repository is not installed. All
    carry the same: Python imports `components` once, whichever model a process loads first.
    """
    target = scratch / "code" / "components"
    for source in reachable_files(RANKER_LOADER) | reachable_files(TOWER_LOADER):
        copy = target / source.relative_to(Path(__file__).parents[1])
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, copy)
    return target


def reachable_files(module: str) -> set[Path]:
    """Return the source files of `components` that importing a module may load."""
    waiting, seen, files = [module], set[str](), set[Path]()
    while waiting:
        name = waiting.pop()
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
        waiting.append(name.rpartition(".")[0])
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Import):
                waiting += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                waiting += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return files
