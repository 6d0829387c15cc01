"""What is registered: a folder with a model's files, the code that loads it, and its digest."""

import ast
import hashlib
import json
import shutil
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pyarrow as pa

from components.platform.encoders.onnx import write_encoder
from components.platform.errors import DataError, ModelError
from components.platform.files import read_table, write_json, write_table
from components.platform.tracking import Column, Package
from components.shop_ranking.model_registration.shop import SHOP, last_cut, write_shop

REQUIREMENTS = Path("requirements-serving.lock")
RANKER_LOADER = "components.shop_ranking.model_registration.packaged_ranker"
TOWER_LOADER = "components.shop_ranking.model_registration.packaged_tower"
IDS = "ids"
NETWORKS = {"gated-attention", "parameter-averaging"}  # ways of fusion that need torch to answer
FUSION = Path(__file__).parents[2] / "shop_ranking" / "engine" / "fusion"


def tower_package(tower: Path, prepared: Path, scratch: Path) -> Package:
    """Put a tower's folder, as it is, together with the ids of its vectors.

    `tracking.download` gives the tower's folder back, for a training that reuses it.

    Raises:
        ModelError: the tower lacks its description or the vectors of the last cut.

    """
    cut = str(last_cut(prepared)["name"])
    lacking = [
        name
        for name in ("tower.json", f"{cut}/user_vectors.npy", f"{cut}/item_vectors.npy")
        if not (tower / name).is_file()
    ]
    if lacking:
        raise ModelError(f"a tower in {tower}", f"no {lacking[0]}", "train the tower again")
    folder = scratch / "packages" / tower.name
    shutil.copytree(tower, folder)
    ids = _write_ids(prepared, folder)
    write_json({"name": cut}, folder / IDS / "cut.json")
    write_encoder(tower, folder)
    return Package(
        folder=folder,
        loader=TOWER_LOADER,
        code=ship_code(scratch),
        requirements=REQUIREMENTS,
        inputs=(Column("kind", "string"), Column("id", "string")),
        outputs=(Column("vector", "double", many=True),),
        example=pd.DataFrame({"kind": ["item"], "id": [str(ids["item"][0])]}),
    )


def ranker_package(fused: Path, prepared: Path, scratch: Path) -> Package:
    """Put the chosen fused model together with the ids of its shoppers and items.

    Raises:
        ModelError: the fusion stage left no ranker.

    """
    method = chosen_method(fused)
    folder = scratch / "packages" / "ranker"
    try:
        for part in (method, "state"):
            shutil.copytree(fused / part, folder / part)
    except FileNotFoundError as error:
        raise ModelError(f"a ranker in {fused}", str(error), "run fusion_training again") from error
    shutil.copy(fused / "chosen.json", folder)
    write_shop(prepared, folder / SHOP)
    ids = _write_ids(prepared, folder)
    shopper, item = str(ids["user"][0]), str(ids["item"][0])
    return Package(
        folder=folder,
        loader=RANKER_LOADER,
        code=ship_code(scratch),
        requirements=_requirements(method, scratch),
        inputs=(
            Column("user_id", "string"),
            Column("history", "string", many=True, required=False),
            Column("k", "long", required=False),
        ),
        outputs=(Column("item_ids", "string", many=True), Column("scores", "double", many=True)),
        example=pd.DataFrame({"user_id": [shopper], "history": [[item]], "k": [10]}),
    )


def chosen_method(fused: Path) -> str:
    """Return the way of fusion that was chosen on validation.

    Raises:
        DataError: fusion training left no choice.

    """
    path = fused / "chosen.json"
    try:
        return str(json.loads(path.read_text())["method"])
    except (FileNotFoundError, KeyError, ValueError) as error:
        found = repr(error)
        raise DataError(f"the chosen method in {path}", found, "run fusion_training") from error


def _write_ids(prepared: Path, folder: Path) -> dict[str, pa.ChunkedArray]:
    """Write which shopper and which item each row number is, apart from the model's files."""
    found = {}
    for name in ("user", "item"):
        ids = read_table(prepared / f"{name}s.parquet", [f"{name}_id"])
        write_table(ids, folder / IDS / f"{name}s.parquet")
        found[name] = ids[f"{name}_id"]
    return found


def _requirements(method: str, scratch: Path) -> Path:
    """Return the serving requirements, and torch where the way of fusion is a network."""
    if method not in NETWORKS:
        return REQUIREMENTS
    path = scratch / "requirements.txt"
    torch = version("torch").split("+")[0]
    path.write_text(f"{REQUIREMENTS.read_text()}torch=={torch}\n")
    return path


def content_digest(package: Package) -> str:
    """Return the SHA-256 of a package: names and contents of its files and of the code it runs."""
    root = Path(__file__).parents[2]
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
        copy = target / source.relative_to(Path(__file__).parents[2])
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, copy)
    return target


def reachable_files(module: str) -> set[Path]:
    """Return the source files of `components` that importing a module may load."""
    waiting, seen, files = [module], set[str](), set[Path]()
    if module == RANKER_LOADER:  # the ways of fusion are imported by name
        waiting += [
            f"components.shop_ranking.engine.fusion.{path.stem}" for path in FUSION.glob("*.py")
        ]
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
