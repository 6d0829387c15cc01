"""The folder of a content tower (text or image): vectors of items and shoppers at every cut."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from torch import nn

from components.platform import tracking
from components.platform.encoders.projection import Projection
from components.platform.errors import DataError, ModelError
from components.platform.files import read_table, write_json
from components.platform.params import WhiteningParams
from components.platform.progress import say
from components.shop_ranking.engine.towers.profile import profile_vectors

DESCRIPTION = "tower.json"


def cut_names(prepared: Path) -> list[str]:
    """Return the names of the cuts in time order."""
    return [cut["name"] for cut in json.loads((prepared / "cuts.json").read_text())]


def first_day(prepared: Path) -> str:
    """Return the day of the first cut; content towers learn from nothing after it."""
    return str(json.loads((prepared / "cuts.json").read_text())[0]["day"])


def trained_until(folder: Path) -> dict[str, str]:
    """Return what a taken over tower says of the day until which it was trained."""
    about = description(folder)
    return {key: about[key] for key in ("trained_until",) if key in about}


def description(folder: Path) -> dict[str, Any]:
    """Read a tower's tower.json."""
    return dict(json.loads((folder / DESCRIPTION).read_text()))


def known_items(prepared: Path, cut: str) -> np.ndarray:
    """Return the items of the catalogue at a cut, ascending: all that a model of it may see."""
    stats = read_table(prepared / "cuts" / cut / "item_stats.parquet", ["item_index", "eligible"])
    return np.sort(stats.filter(stats["eligible"])["item_index"].to_numpy())


def present_texts(column: pa.ChunkedArray) -> tuple[np.ndarray, list[str]]:
    """Return the rows that have a text, and their texts."""
    given = pc.fill_null(pc.not_equal(pc.utf8_trim_whitespace(column), ""), False)
    return np.flatnonzero(given.to_numpy()), column.filter(given).to_pylist()


def ready_made(column: pa.ChunkedArray) -> np.ndarray | None:
    """Return the shop's own vectors, (items, width) float32, NaN where missing; None without any.

    Raises:
        DataError: they are not all of one length.

    """
    if column.null_count == len(column):
        return None
    rows = np.flatnonzero(column.is_valid().to_numpy())
    given = column.drop_null().combine_chunks()
    widths = np.unique(given.value_lengths().to_numpy())
    if len(widths) > 1:
        raise DataError(
            "ready-made vectors of one length",
            f"lengths {', '.join(map(str, widths[:5]))}",
            "bring vectors of one model",
        )
    vectors_IW = np.full((len(column), widths[0]), np.nan, np.float32)
    vectors_IW[rows] = given.flatten().to_numpy(zero_copy_only=False).reshape(len(rows), -1)
    vectors_IW[~np.isfinite(vectors_IW).all(axis=1)] = np.nan
    return vectors_IW


def write_vectors(
    folder: Path, prepared: Path, item_vectors_ID: np.ndarray, half_life_days: float
) -> None:
    """Write <cut>/item_vectors.npy and <cut>/user_vectors.npy for every cut; NaN rows are missing.

    One encoder, trained on the first cut, serves all of them; the shoppers' histories grow.
    """
    users = read_table(prepared / "users.parquet", ["user_index"]).num_rows
    for cut in cut_names(prepared):
        sequences = read_table(
            prepared / "cuts" / cut / "sequences.parquet", ["user_index", "item_index", "day"]
        )
        user_vectors_UD = np.full((users, item_vectors_ID.shape[1]), np.nan, np.float32)
        user_vectors_UD[sequences["user_index"].to_numpy()] = profile_vectors(
            sequences, item_vectors_ID, half_life_days
        )
        (folder / cut).mkdir()
        np.save(folder / cut / "item_vectors.npy", item_vectors_ID)
        np.save(folder / cut / "user_vectors.npy", user_vectors_UD)


def spread(vectors_ND: np.ndarray, rows_N: np.ndarray, items: int) -> np.ndarray:
    """Put the vectors at their item_index, (items, dim) float32; NaN elsewhere."""
    vectors_ID = np.full((items, vectors_ND.shape[1]), np.nan, np.float32)
    vectors_ID[rows_N] = vectors_ND
    return vectors_ID


def whitened(
    ready_IW: np.ndarray, known: np.ndarray, dim: int, params: WhiteningParams
) -> np.ndarray:
    """Return ready-made vectors as unit vectors around the mean of the known items.

    At most `dim` wide, and never wider than they came.
    """
    given_I = ~np.isnan(ready_IW).any(axis=1)
    projection = Projection(ready_IW.shape[1], min(dim, ready_IW.shape[1]))
    projection.whiten(ready_IW[given_I & np.isin(np.arange(len(ready_IW)), known)], params)
    return spread(projection.apply_to(ready_IW[given_I]), np.flatnonzero(given_I), len(ready_IW))


def describe(
    folder: Path, name: str, item_vectors_ID: np.ndarray, seconds: float, facts: dict[str, Any]
) -> None:
    """Write tower.json and log it; its status is "no data" when no item has a vector."""
    items, dim = item_vectors_ID.shape
    missing = int(np.isnan(item_vectors_ID).any(axis=1).sum())
    description = {
        "name": name,
        "dim": dim,
        "items": items,
        "items_without_vector": missing,
        "status": "no data" if missing == items else "ready",
        "seconds": round(seconds, 1),
        **facts,
    }
    write_json(description, folder / DESCRIPTION)
    tracking.log_metrics({k: v for k, v in description.items() if isinstance(v, int | float)})
    tracking.log_artifact(folder / DESCRIPTION)
    say(f"{name} tower: {items - missing} of {items} items have a vector, {seconds:.0f} s")


def parameter_counts(**parts: nn.Module) -> dict[str, dict[str, int]]:
    """Return the number of parameters of each part, in total and trained, and log the table."""
    table = {
        name: {
            "total": sum(p.numel() for p in part.parameters()),
            "trainable": sum(p.numel() for p in part.parameters() if p.requires_grad),
        }
        for name, part in parts.items()
    }
    for name, counts in table.items():
        say(f"{name}: {counts['total']:,} parameters, {counts['trainable']:,} trained")
        tracking.log_metrics({f"{name}_parameters_{kind}": n for kind, n in counts.items()})
    return table


def find_tower(source: str, scratch: Path) -> Path:
    """Return the folder of a trained tower, given as a folder or as a registry URI.

    One of the registry is downloaded into `scratch`.

    Raises:
        RegistryError: the registry lacks it.
        ModelError: there is no tower in it.

    """
    return tower_in(tracking.download(source, scratch) if ":/" in source else Path(source), source)


def tower_in(folder: Path, source: str) -> Path:
    """Return the folder of the tower that lies somewhere in `folder`; errors call it `source`.

    Raises:
        ModelError: there is none.

    """
    descriptions = sorted(folder.rglob(DESCRIPTION)) if folder.is_dir() else []
    if not descriptions:
        raise ModelError(
            f"a trained tower at {source}", f"no {DESCRIPTION}", "name a folder or models:/name/1"
        )
    return descriptions[0].parent


def start_tower(source: str, first_cut: str, scratch: Path) -> Path:
    """Return the folder of a tower to go on training from; see find_tower for `scratch`.

    Raises:
        RegistryError: the registry lacks it.
        ModelError: there is no tower in it, or one that may have seen what comes after the cut.

    """
    folder = find_tower(source, scratch)
    until = description(folder).get("trained_until")
    if until is None or until > first_cut:
        raise ModelError(
            f"a tower at {source} trained on nothing after the cut of {first_cut}",
            f"one trained until {until or 'an unknown day'}",
            "choose later cuts, or train without a tower to start from",
        )
    say(f"starts from {source}, which was trained until {until}")
    return folder


def copy_encoder(source: Path, folder: Path) -> None:
    """Copy a tower's weights and configuration, without its vectors of other data."""
    for path in source.iterdir():
        if path.name == DESCRIPTION or (path / "item_vectors.npy").exists():
            continue
        if path.is_dir():
            shutil.copytree(path, folder / path.name)
        elif path.suffix in {".json", ".safetensors"}:
            shutil.copy(path, folder)
