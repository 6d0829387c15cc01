"""Pictures by several depths of the network, and names by sentence and words: what a tower reads.

The last block of a network trained to tell things apart has forgotten much of their colour and
where it was; earlier blocks know it (hypercolumns: Hariharan et al., CVPR 2015). Their means over a
grid of 3 x 3 stand beside the last block's. A name's single words stand beside its sentence vector.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.quality.fashion.measures import unit
from components.platform.encoders.image_base import MEAN, SCALE, EfficientNetLite
from components.platform.encoders.image_pictures import decode_all
from components.platform.progress import track
from components.shop_ranking.engine.towers.item_orders import Floats, Ints
from components.shop_ranking.image_pretraining.augmentation import augmented
from components.shop_ranking.towers.image import ImageParams

TALL, WIDE = 128, 96  # pixels: the shape of a product's photograph, multiples of 32
DEPTHS, GRID = (0, 2, 4, 7), 3  # blocks that are read, and the stem; none of them is trained
VIEWS, AT_ONCE = 4, 64
VIEW = ImageParams()  # how a view is drawn
FEWEST = 2  # training names that have a word


@dataclass(frozen=True)
class States:
    """What the frozen blocks made of N pictures as they are, or of augmented views of them."""

    last: Tensor  # (N, C, h, w) or (VIEWS, N, C, h, w): input of the trained blocks
    early: Tensor  # (N, E) or (VIEWS, N, E)

    def standardised(self, standard: "Standard") -> "States":
        """Return these with their early features standardised."""
        return States(self.last, standard(self.early))


def read_pictures(
    base: EfficientNetLite, pictures: list[bytes], seed: int
) -> tuple[States, States]:
    """Run the frozen blocks over pictures and over views of them; all pictures are readable."""
    by_batch: list[list[States]] = []
    device, generator = next(base.parameters()).device, torch.Generator().manual_seed(seed)
    with torch.inference_mode():
        for begin in track(range(0, len(pictures), AT_ONCE), "frozen blocks"):
            square = decode_all(pictures[begin : begin + AT_ONCE], TALL)[0].float()
            pixels = functional.interpolate(square, (TALL, WIDE), mode="bilinear", antialias=True)
            shown = [pixels, *(augmented(pixels, generator, VIEW) for _ in range(VIEWS))]
            by_batch.append([_below(base, outputs.to(device)) for outputs in shown])
    whole = [
        States(
            torch.cat([level.last for level in same]), torch.cat([level.early for level in same])
        )
        for same in zip(*by_batch, strict=True)
    ]
    views = States(
        torch.stack([level.last for level in whole[1:]]),
        torch.stack([level.early for level in whole[1:]]),
    )
    return whole[0], views


def _below(base: EfficientNetLite, pixels_N3HW: Tensor) -> States:
    scaled = (pixels_N3HW - MEAN) / SCALE
    states = base.stem(scaled.contiguous(memory_format=torch.channels_last))
    early = [_grid(states)]
    for depth, block in enumerate(base.blocks[: len(base.blocks) - base.trained_blocks]):
        states = block(states)
        early += [_grid(states)] if depth in DEPTHS else []
    return States(states.cpu(), torch.cat(early, 1).cpu())


def _grid(states_NCHW: Tensor) -> Tensor:
    return functional.adaptive_avg_pool2d(states_NCHW, GRID).flatten(1)


@dataclass(frozen=True)
class Standard:
    """Values by their mean and deviation over the training products, rows of length one."""

    mean: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, values_NE: Tensor, rows: Ints) -> "Standard":
        """Measure the training rows."""
        learnt = values_NE[torch.from_numpy(rows)]
        return cls(learnt.mean(0), learnt.std(0) + 1e-6)

    def __call__(self, values_NE: Tensor) -> Tensor:
        """Standardise the last dimension."""
        return functional.normalize((values_NE - self.mean) / self.deviation, dim=-1)


def name_features(names: Sequence[str], sentences_NW: Floats, rows: Ints) -> Floats:
    """Return sentence vectors around their mean, and beside them the words of a name, (N, W + V).

    Words are those of at least FEWEST training names (rows).
    """
    words = [set(re.findall(r"\w+", name.lower())) for name in names]
    counts = Counter(word for row in rows for word in words[row])
    known = sorted(word for word, count in counts.items() if count >= FEWEST)
    column = {word: place for place, word in enumerate(known)}
    bag = np.zeros((len(names), len(known)), np.float32)
    for row, own in enumerate(words):
        bag[row, [column[word] for word in own if word in column]] = 1.0
    about = unit(sentences_NW - sentences_NW[rows].mean(0))
    return np.concatenate([about, unit(bag)], 1).astype(np.float32)
