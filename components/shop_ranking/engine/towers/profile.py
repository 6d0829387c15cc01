"""Shopper vectors of the content towers: the recent mean of what the shopper dealt with."""

import numpy as np
import pyarrow as pa
from scipy import sparse

from components.shop_ranking.engine.history import decay


def profile_vectors(
    sequences: pa.Table, item_vectors_ID: np.ndarray, half_life_days: float
) -> np.ndarray:
    """Return one unit vector a row of `sequences`, (rows, dim) float32.

    An event counts 2^(-age / half life). Items without a vector are left out; a row with none left
    is NaN. The item vectors have mean zero over the catalogue (encoders/projection.py):
    around any other centre the mean points at what all shoppers have in common.

    Args:
        sequences: at least the columns item_index and day (age in days) of schemas.SEQUENCES; one
            row or many, in training and in serving.
        item_vectors_ID: vectors by item_index; rows of NaN are missing.
        half_life_days: age at which an event counts half.

    """
    history = sequences["item_index"].combine_chunks()
    bounds = history.offsets.to_numpy()
    items_L = history.flatten().to_numpy()
    ages_L = sequences["day"].combine_chunks().flatten().to_numpy()
    used_I, column_L = np.unique(items_L, return_inverse=True)  # a request touches few items
    vectors_ID = item_vectors_ID[used_I]
    known_I = ~np.isnan(vectors_ID).any(axis=1)
    weights_L = decay(ages_L, half_life_days) * known_I[column_L]
    shape = (sequences.num_rows, len(used_I))
    weights_RI = sparse.csr_matrix((weights_L, column_L, bounds - bounds[0]), shape=shape)
    sums_RD = weights_RI @ np.where(known_I[:, None], vectors_ID, 0)
    length_R1 = np.linalg.norm(sums_RD, axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return np.where(length_R1 > 0, sums_RD / length_R1, np.nan).astype(np.float32)
