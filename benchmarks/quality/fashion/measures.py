"""How well pictures and names find each other, and what lies around that number."""

from collections.abc import Sequence

import numpy as np

from benchmarks.quality.fashion.reading import Photographs
from components.platform.errors import ModelError
from components.shop_ranking.engine.towers.item_orders import Floats, Ints

PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0)  # of the ridge map, as a share of the mean eigenvalue
FIRST = (1, 5, 10)


def recalls(asked_ND: Floats, offered_ND: Floats) -> dict[int, Floats]:
    """Return whether the own row is among the nearest 1, 5 and 10, (N,) each.

    Ties count at their worst: whatever is as near as the own row stands before it.

    Raises:
        ModelError: a vector has a value that is no finite number: nothing would stand before it.

    """
    broken = int((~np.isfinite(np.concatenate([asked_ND, offered_ND], 1)).all(1)).sum())
    if broken:
        raise ModelError("finite vectors to compare", f"{broken} that are not", "train more slowly")
    scores = asked_ND @ offered_ND.T
    place = (scores >= np.diag(scores)[:, None]).sum(1) - 1
    return {k: (place < k).astype(np.float64) for k in FIRST}


def matched_names(names: Sequence[str]) -> dict[int, Floats]:
    """Return the recalls of one who knows the name of every picture: the ceiling.

    Several products may have one name; nothing tells them apart, and ties count at their worst.
    """
    code = np.unique(np.array(names), return_inverse=True)[1]
    known = np.eye(int(code.max()) + 1, dtype=np.float32)[code]
    return recalls(known, known)


def ridge_map(from_NW: Floats, to_NF: Floats, photographs: Photographs) -> tuple[Floats, float]:
    """Map centred features by ridge regression on the training products.

    Ridge regression (Hoerl and Kennard, Technometrics 1970): what frozen encoders give without
    training one (as in Merullo et al., "Linearly mapping from image to text space", ICLR 2023).

    Returns:
        unit rows (N, F), and the penalty, which validation recall@10 chooses.

    """
    rows, held = photographs.part["train"], photographs.part["validation"]
    x, y = centred(from_NW, rows), centred(to_NF, rows)
    gram = x[rows].T @ x[rows]
    level = np.trace(gram) / len(gram)
    mapped, reached = {}, {}
    for penalty in PENALTIES:
        ridge = gram + penalty * level * np.eye(len(gram), dtype=np.float32)
        mapped[penalty] = unit(x @ np.linalg.solve(ridge, x[rows].T @ y[rows]))
        reached[penalty] = float(recalls(mapped[penalty][held], y[held])[10].mean())
    best = max(PENALTIES, key=lambda penalty: reached[penalty])
    return mapped[best], best


def least_squares_map(from_NW: Floats, to_NF: Floats, photographs: Photographs) -> Floats:
    """Map features as they are by least squares on the training products; unit rows (N, F)."""
    rows = photographs.part["train"]
    weight = np.linalg.lstsq(from_NW[rows], to_NF[rows], rcond=None)[0]
    return unit(from_NW @ weight)


def neighbours(vectors: Floats, label: Ints, learnt: Ints, test: Ints) -> Floats:
    """Tell whether the nearest training product has the label, for test rows that have one.

    One nearest neighbour by cosine (Cover and Hart, 1967), the measure of frozen features of Wu et
    al. (CVPR 2018).
    """
    asked = test[label[test] >= 0]
    near = unit(vectors)
    nearest = learnt[(near[asked] @ near[learnt].T).argmax(1)]
    return (label[nearest] == label[asked]).astype(np.float64)


def centred(vectors: Floats, rows: Ints) -> Floats:
    """Return unit vectors around the mean of some rows."""
    return unit(vectors - vectors[rows].mean(0))


def unit(vectors: Floats) -> Floats:
    """Return vectors of length one."""
    unit_vectors: Floats = vectors / np.maximum(
        np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9
    )
    return unit_vectors
