"""Nearest items by a tower's vectors, among those that may be shown: faiss, exact or by cells."""

from collections.abc import Sequence
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from components.ranking.history import Floats, Ints

EXACT = 50_000  # more vectors than this are searched by cells
TRAINED = 40  # vectors a cell that the cells are found with
ROUNDS = 5  # of k-means
PROBED = 16  # cells a search looks into


class VectorIndex:
    """Vectors of some items; scores are dot products."""

    def __init__(self, vectors: Floats, rows: Ints, seed: int = 0) -> None:
        """Index the vectors of `rows`; those of NaN are left out."""
        found = np.ascontiguousarray(vectors[rows], np.float32)
        known = ~np.isnan(found).any(1)
        self.rows = rows[known]
        found = found[known]
        dim = vectors.shape[1]
        self.exact = len(found) <= EXACT
        self.index: Any = faiss.IndexFlatIP(dim) if self.exact else _cells(found, seed)
        self.index.add(found)
        self.place = np.full(len(vectors), -1, np.int64)  # item_index -> row of the index
        self.place[self.rows] = np.arange(len(self.rows))

    def nearest(
        self, vector: Floats, k: int, *, without: Ints | None = None,
        among: npt.NDArray[np.bool_] | None = None,
    ) -> tuple[Ints, Floats]:  # fmt: skip
        """Return at most k items and their scores, best first.

        Args:
            vector: (D,); NaN finds nothing.
            k: number of items.
            without: items left out.
            among: (I,) items that may be found; all by default.

        """
        if np.isnan(vector).any() or len(self.rows) == 0 or k == 0:
            return np.zeros(0, np.int32), np.zeros(0, np.float32)
        selector: Any = None
        if among is not None:
            kept = among[self.rows]
            if without is not None:
                place = self.place[without]
                kept[place[place >= 0]] = False
            if not kept.all():  # a selector costs a call a vector
                bits = np.packbits(kept, bitorder="little")
                bitmap: Any = faiss.IDSelectorBitmap  # faiss's stubs know the C++ signatures alone
                selector = bitmap(bits)
        elif without is not None and len(without):
            place = self.place[without]
            selector = faiss.IDSelectorNot(faiss.IDSelectorBatch(place[place >= 0]))
        query = np.ascontiguousarray(vector, np.float32)[None]
        scores, places = self.index.search(
            query, min(k, len(self.rows)), params=self._how(selector)
        )
        found = places[0] >= 0
        return self.rows[places[0][found]], scores[0][found]

    def nearest_of_all(self, vectors: Floats, k: int, without: Sequence[Ints]) -> list[Ints]:
        """Return at most k items for each vector, best first, as `nearest` does one by one.

        An exact search reads the vectors of the whole catalogue, 2 ms worth of memory for a
        shopper: here they are read once for all shoppers.

        Args:
            vectors: (B, D); a row of NaN finds nothing.
            k: number of items.
            without: items left out, for each vector.

        """
        if not self.exact or len(self.rows) <= k:
            return [
                self.nearest(vector, k, without=left)[0]
                for vector, left in zip(vectors, without, strict=True)
            ]
        size = self.index.ntotal, self.index.d
        indexed = faiss.rev_swig_ptr(self.index.get_xb(), size[0] * size[1]).reshape(size)
        found = []
        for scores, left in zip(vectors @ indexed.T, without, strict=True):
            place = self.place[left]
            scores[place[place >= 0]] = -np.inf
            best = np.argpartition(scores, -k)[-k:]
            best = best[np.argsort(-scores[best], kind="stable")]
            found.append(self.rows[best[scores[best] > -np.inf]])  # NaN is above nothing
        return found

    def _how(self, selector: Any) -> Any:
        exact: Any = faiss.SearchParameters
        by_cells: Any = faiss.SearchParametersIVF
        return exact(sel=selector) if self.exact else by_cells(sel=selector, nprobe=PROBED)


def _cells(vectors: Floats, seed: int) -> Any:
    """Return an empty index of cells (inverted lists), their centres found on a sample."""
    dim = vectors.shape[1]
    cells = 1 << round(np.log2(np.sqrt(len(vectors))))
    index: Any = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, cells, faiss.METRIC_INNER_PRODUCT)
    rng = np.random.default_rng(seed)
    sample = rng.choice(len(vectors), min(TRAINED * cells, len(vectors)), replace=False)
    index.cp.seed, index.cp.niter = seed, ROUNDS
    index.train(vectors[sample])
    return index
