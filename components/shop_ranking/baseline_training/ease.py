"""EASE (Steck 2019): a linear item-item model with a closed form and no self-similarity.

With fewer shoppers than items the inverse is taken in the shoppers' space (Woodbury), exactly:
for X (U, I), K = X X^T + l2 and K = L L^T, V = L^-1 X gives P = (X^T X + l2)^-1 =
(1 - V^T V) / l2, so weights B_ij = (V^T V)_ij / (1 - (V^T V)_jj), i != j.
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse
from scipy.sparse import csc_array, csr_array

from components.platform.errors import ModelError
from components.shop_ranking.engine.rankings import Floats

BLOCK = 1024  # items whose weights are held at once. Capacity only: changes no result.


@dataclass(frozen=True)
class Ease:
    """A fitted model: factors_KI with K = min(shoppers, items), free_I = 1 - diag(V^T V)."""

    factors_KI: Floats
    free_I: Floats

    @classmethod
    def fit(cls, x_UI: csr_array, l2: float, max_size: int) -> "Ease":
        """Fit on the rows that are not empty.

        Raises:
            ModelError: both sides are larger than `max_size`: the exact solution does not fit.

        """
        x = x_UI[np.flatnonzero(np.diff(x_UI.indptr))].astype(np.float64)
        if min(x.shape) > max_size:
            raise ModelError(
                f"at most {max_size} shoppers or items for EASE",
                f"{x.shape[0]} shoppers and {x.shape[1]} items",
                "raise baselines.ease_max_size if memory allows size^2 x 16 bytes",
            )
        if x.shape[0] <= x.shape[1]:
            kernel = (x @ x.T).toarray()
            kernel[np.diag_indices_from(kernel)] += l2
            low = np.linalg.cholesky(kernel).astype(np.float32)
            # float32 from here: weights differ by less than 1e-7, at half the memory.
            factors = scipy.linalg.solve_triangular(
                low, x.toarray().astype(np.float32), lower=True, check_finite=False
            )
        else:
            # V^T V = G (G + l2)^-1 has the eigenvectors of G.
            gram = (x.T @ x).toarray()
            values, vectors = np.linalg.eigh(gram)
            values = np.maximum(values, 0.0)
            factors = (np.sqrt(values / (values + l2))[:, None] * vectors.T).astype(np.float32)
        free = 1.0 - np.einsum("ki,ki->i", factors, factors, dtype=np.float64)
        return cls(factors, free.astype(np.float32))

    def score(self, x_BI: csr_array) -> Floats:
        """Return x B, dense (B, I)."""
        through = (x_BI @ self.factors_KI.T) @ self.factors_KI
        own = (1.0 - self.free_I) * x_BI.toarray()
        return (through - own) / self.free_I

    def weights(self, largest: int) -> csr_array:
        """Return B with the `largest` absolute weights of each column, items x items."""
        items = len(self.free_I)
        keep = min(largest, items - 1)
        blocks = []
        for start in range(0, items, BLOCK):
            stop = min(start + BLOCK, items)
            block = (self.factors_KI.T @ self.factors_KI[:, start:stop]) / self.free_I[start:stop]
            block[np.arange(start, stop), np.arange(stop - start)] = 0.0
            size = np.abs(block)
            rows = np.argpartition(size, items - keep, axis=0)[items - keep :] if keep else None
            if rows is None:
                blocks.append(csc_array((items, stop - start), dtype=np.float32))
                continue
            columns = np.broadcast_to(np.arange(stop - start), rows.shape)
            values = np.take_along_axis(block, rows, axis=0)
            cells = (rows.ravel(), columns.ravel())
            blocks.append(csc_array((values.ravel(), cells), shape=block.shape))
        return csr_array(scipy.sparse.hstack(blocks))
