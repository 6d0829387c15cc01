"""Nearest items by a tower's vectors, among those that may be shown: exact, or by cells (faiss)."""

from collections.abc import Sequence
from typing import Any, cast

import faiss
import numpy as np
import numpy.typing as npt

from components.platform.compiled import compiled_sums
from components.shop_ranking.engine.history import Floats, Ints
from components.shop_ranking.engine.top_k import best_first
from components.shop_ranking.params.fusion import IndexParams

Nearest = tuple[Ints, Floats]  # items and their scores, best first


class VectorIndex:
    """Vectors of some items; scores are dot products."""

    def __init__(self, vectors: Floats, rows: Ints, params: IndexParams, seed: int = 0) -> None:
        """Index the vectors of `rows`; those of NaN are left out."""
        chosen = np.ascontiguousarray(vectors[rows], np.float32)
        known = ~np.isnan(chosen).any(1)
        self.rows, self.dim = rows[known], vectors.shape[1]
        self.vectors, self.params = chosen[known], params
        self.exact = len(self.rows) <= params.exact_items
        self.cells: Any = None
        if not self.exact:
            self.cells = _cells(self.vectors, params, seed)
            self.cells.add(self.vectors)
            self.vectors = np.empty((0, self.dim), np.float32)  # the cells have them
        self.place = np.full(len(vectors), -1, np.int64)  # item_index -> row of the index
        self.place[self.rows] = np.arange(len(self.rows))

    def __len__(self) -> int:
        return len(self.rows)

    def nearest(
        self, vector: Floats, k: int, *, without: Ints | None = None,
        among: npt.NDArray[np.bool_] | None = None,
    ) -> Nearest:  # fmt: skip
        """Return at most k items and their scores, best first.

        Args:
            vector: (D,); NaN finds nothing.
            k: number of items.
            without: items left out.
            among: (I,) items that may be found; all by default.

        """
        return self.nearest_of_all(vector[None], k, without=[without], among=[among])[0]

    def nearest_of_all(
        self, vectors: Floats, k: int, *, without: Sequence[Ints | None],
        among: Sequence[npt.NDArray[np.bool_] | None],
    ) -> list[Nearest]:  # fmt: skip
        """Return for each vector what `nearest` returns, to the last bit.

        An exact search reads the vectors of the whole catalogue, 2 ms worth of memory for a
        shopper's three towers: here they are read once for all.

        Args:
            vectors: (B, D); a row of NaN finds nothing.
            k: number of items.
            without: items left out, for each vector.
            among: (I,) items that may be found, for each vector.

        """
        vectors = np.ascontiguousarray(vectors, np.float32)
        assert vectors.shape[1] == self.dim, (
            f"vectors of {vectors.shape[1]}, not {self.dim} numbers"
        )
        if not self.exact:
            asked = zip(vectors, without, among, strict=True)
            return [self._in_cells(vector, left, allowed, k) for vector, left, allowed in asked]
        nearest = []
        products = _products(vectors, self.vectors)
        for scores, left, allowed in zip(products, without, among, strict=True):
            best = best_first(scores, self._usable(left, allowed), k)
            nearest.append((self.rows[best], scores[best]))
        return nearest

    def _usable(
        self, without: Ints | None, among: npt.NDArray[np.bool_] | None
    ) -> npt.NDArray[np.bool_]:
        """Mark the rows of the index that may be found."""
        usable = np.ones(len(self.rows), bool) if among is None else among[self.rows]
        if without is not None:
            place = self.place[without]
            usable[place[place >= 0]] = False
        return usable

    def _in_cells(
        self, vector: Floats, without: Ints | None, among: npt.NDArray[np.bool_] | None, k: int
    ) -> Nearest:
        if np.isnan(vector).any() or k == 0:
            return np.zeros(0, np.int32), np.zeros(0, np.float32)
        selector: Any = None  # one costs a call a vector; faiss's stubs know C++ signatures alone
        if among is not None:
            usable, bitmap = self._usable(without, among), cast("Any", faiss.IDSelectorBitmap)
            if not usable.all():
                selector = bitmap(np.packbits(usable, bitorder="little"))
        elif without is not None and len(without):
            place = self.place[without]
            selector = faiss.IDSelectorNot(faiss.IDSelectorBatch(place[place >= 0]))
        how: Any = faiss.SearchParametersIVF
        scores, places = self.cells.search(
            vector[None],
            min(k, len(self.rows)),
            params=how(sel=selector, nprobe=self.params.probed_cells),
        )
        filled = places[0] >= 0
        return self.rows[places[0][filled]], scores[0][filled]


@compiled_sums
def _products(asked: Floats, vectors: Floats) -> Floats:
    """Return every dot product, (B, I): the same to the last bit whoever else asks."""
    products = np.empty((len(asked), len(vectors)), np.float32)
    for item in range(len(vectors)):
        for row in range(len(asked)):
            total = np.float32(0)
            for dim in range(vectors.shape[1]):
                total += asked[row, dim] * vectors[item, dim]
            products[row, item] = total
    return products


def _cells(vectors: Floats, params: IndexParams, seed: int) -> Any:
    """Return an empty index of cells (inverted lists), their centres found on a sample."""
    dim = vectors.shape[1]
    cells = 1 << round(np.log2(np.sqrt(len(vectors))))
    index: Any = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, cells, faiss.METRIC_INNER_PRODUCT)
    rng = np.random.default_rng(seed)
    sample = rng.choice(len(vectors), min(params.cell_sample * cells, len(vectors)), replace=False)
    index.cp.seed, index.cp.niter = seed, params.cell_rounds
    index.train(vectors[sample])
    return index
