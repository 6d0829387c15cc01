"""What a server must know of the shop beside the model: catalogue, pictures, shoppers' histories.

It goes into the fused package, so that one registered version is all that an answer depends on.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from components.platform.errors import DataError
from components.platform.files import read_table, write_json, write_table

SHOP = "shop"
CATALOGUE = ["item_index", "item_id", "title", "text", "category", "brand", "price"]
AT_THE_CUT = ("sequences", "item_pairs")  # histories; what is bought together


def last_cut(prepared: Path) -> dict[str, Any]:
    """Return name, day and target_events of the latest cut; registered models answer as of it.

    Raises:
        DataError: there is no cuts.json, or it is empty.

    """
    try:
        cut: dict[str, Any] = json.loads((prepared / "cuts.json").read_text())[-1]
        return {name: cut[name] for name in ("name", "day", "target_events")}
    except (FileNotFoundError, IndexError, KeyError, ValueError) as error:
        raise DataError(
            f"the time cuts in {prepared / 'cuts.json'}", repr(error), "run data_preparation"
        ) from error


def write_shop(prepared: Path, folder: Path) -> None:
    """Write catalogue, pictures, and what was known of shoppers at the last cut.

    Raises:
        DataError: a table of data preparation is absent.

    """
    cut = last_cut(prepared)
    write_table(read_table(prepared / "items.parquet", CATALOGUE), folder / "items.parquet")
    tables = [prepared / "cuts" / cut["name"] / f"{name}.parquet" for name in AT_THE_CUT]
    for source in (prepared / "images.parquet", *tables):
        if not source.is_file():
            raise DataError(f"the file {source}", "none", "run data_preparation again")
        shutil.copy(source, folder)
    as_of = {"as_of": f"{cut['day']}T00:00:00+00:00", "target_events": cut["target_events"]}
    write_json(as_of, folder / "shop.json")
