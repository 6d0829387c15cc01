"""Item vectors from counted pairs: a truncated singular value decomposition."""

import numpy as np
from scipy.sparse import csr_array

from components.shop_ranking.engine.towers.item_orders import Floats

SPARE = 32  # directions beyond those asked for
POWER_STEPS = 3


def spectral_vectors(weights_II: csr_array, dim: int, seed: int) -> tuple[Floats, Floats]:
    """Return left and right vectors, (I, dim) each, whose products approximate the weights.

    A randomised range finder with power steps (Halko, Martinsson and Tropp, SIAM Review 2011);
    each side takes the root of the singular values. Item vectors from factorised co-occurrence are
    what word2vec's are (Levy and Goldberg, NeurIPS 2014), without the training. Directions that
    the weights do not have are zero.
    """
    weights = weights_II.astype(np.float32)
    items = weights.shape[0]
    rank = min(dim + SPARE, items)
    rng = np.random.default_rng(seed)
    start = weights @ rng.standard_normal((items, rank), dtype=np.float32)
    basis = np.linalg.qr(start)[0]
    for _ in range(POWER_STEPS):
        basis = np.linalg.qr(weights.T @ basis)[0]
        basis = np.linalg.qr(weights @ basis)[0]
    inner, values, right = np.linalg.svd((weights.T @ basis).T, full_matrices=False)
    kept = min(dim, items)
    roots = np.sqrt(values[:kept])
    left_ID, right_ID = (np.zeros((items, dim), np.float32) for _ in range(2))
    left_ID[:, :kept] = (basis @ inner)[:, :kept] * roots
    right_ID[:, :kept] = right[:kept].T * roots
    return left_ID, right_ID
