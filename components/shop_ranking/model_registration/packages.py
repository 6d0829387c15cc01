"""The registered packages of shop ranking: the fused ranker, and a folder a tower."""

import json
import shutil
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from pkgutil import iter_modules

import pandas as pd
import pyarrow as pa

from components.platform.encoders.onnx import write_encoder
from components.platform.errors import DataError, ModelError
from components.platform.files import read_table, write_json, write_table
from components.platform.packaging.packaging import REQUIREMENTS, ship_code
from components.platform.tracking import Column, Package
from components.shop_ranking.engine.fusion import METHODS
from components.shop_ranking.model_registration.shop import SHOP, last_cut, write_shop
from components.shop_ranking.retraining import FUSION_TAG

RANKER_LOADER = "components.shop_ranking.model_registration.packaged_ranker"
TOWER_LOADER = "components.shop_ranking.model_registration.packaged_tower"
# Folders whose modules are imported by name: methods of fusion, registrations of towers.
BY_NAME = ("components.shop_ranking.engine.fusion", "components.shop_ranking.towers")
IDS = "ids"


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
        modules=(TOWER_LOADER,),
        code=ship_code(_modules(), scratch),
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
    folder = scratch / "packages" / "fused"
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
        modules=(RANKER_LOADER, *_by_name()),
        code=ship_code(_modules(), scratch),
        requirements=_requirements(method, scratch),
        inputs=(
            Column("user_id", "string"),
            Column("history", "string", many=True, required=False),
            Column("k", "long", required=False),
        ),
        outputs=(Column("item_ids", "string", many=True), Column("scores", "double", many=True)),
        example=pd.DataFrame({"user_id": [shopper], "history": [[item]], "k": [10]}),
        tags={FUSION_TAG: method},
    )


def chosen_method(fused: Path) -> str:
    """Return the method of fusion that was chosen on validation.

    Raises:
        DataError: fusion training left no choice.

    """
    path = fused / "chosen.json"
    try:
        return str(json.loads(path.read_text())["method"])
    except (FileNotFoundError, KeyError, ValueError) as error:
        raise DataError(
            f"the chosen method in {path}", repr(error), "run fusion_training"
        ) from error


def _modules() -> tuple[str, ...]:
    return (RANKER_LOADER, TOWER_LOADER, *_by_name())


def _by_name() -> tuple[str, ...]:
    """Return the modules of BY_NAME, which no import statement names."""
    return tuple(
        sorted(
            f"{package}.{module.name}"
            for package in BY_NAME
            for module in iter_modules(import_module(package).__path__)
        )
    )


def _write_ids(prepared: Path, folder: Path) -> dict[str, pa.ChunkedArray]:
    """Write which shopper and which item each row number is, apart from the model's files."""
    ids_by_kind = {}
    for name in ("user", "item"):
        ids = read_table(prepared / f"{name}s.parquet", [f"{name}_id"])
        write_table(ids, folder / IDS / f"{name}s.parquet")
        ids_by_kind[name] = ids[f"{name}_id"]
    return ids_by_kind


def _requirements(method: str, scratch: Path) -> Path:
    """Return the serving requirements, and torch where the method of fusion needs it."""
    if not METHODS[method].needs_torch:
        return REQUIREMENTS
    path = scratch / "requirements.txt"
    torch = version("torch").split("+")[0]
    path.write_text(f"{REQUIREMENTS.read_text()}torch=={torch}\n")
    return path
