"""The champion's towers and EASE weights on the items and shoppers of another preparation."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import csr_array, save_npz

from components.platform import tracking
from components.platform.files import read_table
from components.platform.registry.fetching import parent_tag
from components.platform.tracking import Version
from components.shop_ranking.engine.ranker import FusedRanker
from components.shop_ranking.towers import TOWERS
from components.shop_ranking.towers.registration import Unencoded


def write_knowledge(
    version: Version,
    package: Path,
    ranker: FusedRanker,
    prepared: Path,
    cut: str,
    scratch: Path,
) -> tuple[dict[str, Path], Path]:
    """Write a folder a tower and one of EASE weights, as ranking.reading reads them, for one cut.

    Each of the champion's towers encodes shoppers and new items as its registration says.

    Returns:
        tower -> its folder, and the folder of the weights.

    """
    items, state = read_table(prepared / "items.parquet", ["item_id"]), ranker.items
    known = pd.Index(pd.read_parquet(package / "ids" / "items.parquet")["item_id"])
    row_I = known.get_indexer(pd.Index(items["item_id"].to_pandas()))
    weights = scratch / "baselines"
    (weights / cut).mkdir(parents=True)
    save_npz(weights / cut / "ease_weights.npz", on_rows(state.ease, row_I))
    new = np.flatnonzero(row_I < 0)
    towers = {name: scratch / name for name in TOWERS}
    for name, tower in TOWERS.items():
        vectors_ID = np.full((len(row_I), state.vectors[name].shape[1]), np.nan, np.float32)
        vectors_ID[row_I >= 0] = np.asarray(state.vectors[name])[row_I[row_I >= 0]]
        uri = f"models:/{version.tags[parent_tag(name)]}"
        asked = Unencoded(
            package=tracking.download(uri, scratch / "packages" / name),
            prepared=prepared,
            cut=cut,
            known_ID=vectors_ID,
            new=new,
            half_life_days=ranker.trained_with.half_life_days.get(name),
        )
        users_UD, items_ID = tower.encoder()(asked)
        (towers[name] / cut).mkdir(parents=True)
        np.save(towers[name] / cut / "user_vectors.npy", users_UD)
        np.save(towers[name] / cut / "item_vectors.npy", items_ID)
    return towers, weights


def on_rows(weights: csr_array, row_I: np.ndarray) -> csr_array:
    """Return weights between the items of another catalogue, none for those not known."""
    at = np.flatnonzero(row_I >= 0)
    cells = (np.ones(len(at), np.float32), (at, row_I[at]))
    chosen = csr_array(cells, shape=(len(row_I), weights.shape[0]))
    return csr_array(chosen @ weights @ chosen.T)
