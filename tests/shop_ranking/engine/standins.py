"""Stand-ins for trained towers on the tiny world: vectors whose dot product is the truth."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from scipy.sparse import csr_array, save_npz

from components.shop_ranking.engine.feature_states import TOWERS
from components.shop_ranking.engine.trained_with import TrainedWith
from components.shop_ranking.params import FusionParams, Params
from tests.world import TinyWorld

PART_OF = {"behaviour": "behaviour", "text": "text", "image": "picture"}
L2 = 20.0


def proposing(new: int, bought: int) -> TrainedWith:
    """Return what a training with so many candidates uses."""
    return TrainedWith.of(Params(fusion=FusionParams(new_candidates=new, bought_candidates=bought)))


def write_standins(world: TinyWorld, folder: Path) -> dict[str, Path]:
    """Write models/<tower> and models/baselines for every cut; returns the stage's paths."""
    for cut in json.loads((world.prepared / "cuts.json").read_text()):
        parts = world.true_parts(cut["day"])
        for tower in TOWERS:
            target = folder / tower / cut["name"]
            target.mkdir(parents=True)
            user, item = _factors(parts[PART_OF[tower]])
            if tower == "image":
                item[:5] = np.nan  # some products have no picture
            np.save(target / "user_vectors.npy", user)
            np.save(target / "item_vectors.npy", item)
        target = folder / "baselines" / cut["name"]
        target.mkdir(parents=True)
        save_npz(target / "ease_weights.npz", _ease(world, cut["name"]))
    return {name: folder / name for name in (*TOWERS, "baselines")}


def _factors(scores: np.ndarray, dim: int = 16) -> tuple[np.ndarray, np.ndarray]:
    left, strength, right = np.linalg.svd(scores, full_matrices=False)
    user = left[:, :dim] * strength[:dim]
    return user.astype(np.float32), right[:dim].T.astype(np.float32)


def _ease(world: TinyWorld, cut: str) -> csr_array:
    pairs = pq.read_table(world.prepared / "cuts" / cut / "user_item.parquet")
    shape = (
        pq.read_metadata(world.prepared / "users.parquet").num_rows,
        pq.read_metadata(world.prepared / "items.parquet").num_rows,
    )
    owned = np.zeros(shape)
    owned[pairs["user_index"].to_numpy(), pairs["item_index"].to_numpy()] = 1
    inverse = np.linalg.inv(owned.T @ owned + L2 * np.eye(shape[1]))
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return csr_array(weights.astype(np.float32))
