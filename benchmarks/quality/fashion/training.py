"""Training of the image tower on kept states: what the frozen blocks make of a picture, once.

Pictures and a few augmented views of each go through the frozen blocks one time; every step then
costs the trained blocks only. Losses are those of the platform's image pretraining: contrast of
two views (SimCLR, Chen et al., ICML 2020) and of picture and name (CLIP, Radford et al., ICML
2021).
"""

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from benchmarks.quality.fashion.reading import Photographs
from components.image_pretraining.augmentation import augmented
from components.models.image import ImageTower
from components.models.image_pictures import decode_all
from components.models.item_orders import Floats, Ints
from components.progress import say, track
from components.training.batches import Batches
from components.training.frozen import PartlyFrozen
from components.training.loop import Plan, fit
from components.training.losses import in_batch_contrast

VIEWS, BATCH, EPOCHS = 4, 128, 15
SIZE, TRAINED_BLOCKS = 96, 5
RATE, BASE_SHARE, TEMPERATURE = 2e-3, 0.2, 0.07


@dataclass(frozen=True)
class States:
    """What the frozen blocks made of N pictures: plain, and of augmented views."""

    plain: Tensor  # (N, C, h, w)
    views: Tensor  # (VIEWS, N, C, h, w)


class Alignment(PartlyFrozen):
    """Contrast of two views of a picture plus contrast with its name."""

    def __init__(self, tower: ImageTower, views_weight: float) -> None:
        super().__init__()
        self.tower, self.views_weight = tower, views_weight

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the loss and its parts."""
        shown = [batch["one"], batch["other"]] if self.views_weight else [batch["one"]]
        vectors = self.tower.projection(self.tower.base.above(torch.cat(shown)))
        one = vectors[: len(batch["one"])]
        names = self.tower.text_projection(batch["text"])
        scale = 1 / TEMPERATURE
        aligned = in_batch_contrast(one, names, scale, batch["name"])
        if not self.views_weight:
            return {"loss": aligned, "aligned": aligned}
        views = in_batch_contrast(one, vectors[len(one) :], scale)
        return {"loss": aligned + self.views_weight * views, "aligned": aligned, "views": views}


def states(tower: ImageTower, pictures: list[bytes], seed: int) -> States:
    """Run the frozen blocks over pictures and their views; all pictures are readable."""
    plain, views = [], []
    device = next(tower.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    with torch.inference_mode():
        for begin in track(range(0, len(pictures), 64), "frozen blocks"):
            pixels = decode_all(pictures[begin : begin + 64], SIZE)[0]
            plain.append(tower.base.below(pixels.to(device)).cpu())
            own = [tower.base.below(augmented(pixels, generator).to(device)) for _ in range(VIEWS)]
            views.append(torch.stack(own).cpu())
    return States(torch.cat(plain).clone(), torch.cat(views, 1).clone())


def train(
    tower: ImageTower, kept: States, texts_NW: Floats, photographs: Photographs,
    *, views_weight: float, epochs: int, seed: int,
) -> float:  # fmt: skip
    """Train in place and keep the epoch with the best validation recall; returns that recall."""
    rows = photographs.part["train"]
    name_N = np.unique(np.array(photographs.names), return_inverse=True)[1]
    size = min(BATCH, len(rows))

    def make(epoch: int, index: int) -> dict[str, Tensor]:
        order = np.random.default_rng([seed, epoch]).permutation(rows)
        drawn = order[index * size : (index + 1) * size]
        rng = np.random.default_rng([seed, epoch, index])
        first, second = rng.permuted(np.tile(np.arange(VIEWS), (len(drawn), 1)), axis=1)[:, :2].T
        return {
            "one": kept.views[first, drawn],
            "other": kept.views[second, drawn],
            "text": torch.from_numpy(texts_NW[drawn]),
            "name": torch.from_numpy(name_N[drawn]),
        }

    count = max(len(rows) // size, 1)
    best, held = -1.0, photographs.part["validation"]
    state: dict[str, Tensor] = {}

    def after_step(step: int) -> None:
        nonlocal best, state
        if step % count:
            return
        reached = float(recalls(*encoded(tower, kept, texts_NW, held))[10].mean())
        if reached > best:
            best, state = reached, copy.deepcopy(tower.state_dict())

    base = [p for p in tower.base.parameters() if p.requires_grad]
    heads = [*tower.projection.parameters(), *tower.text_projection.parameters()]
    fit(
        Alignment(tower, views_weight),
        torch.optim.AdamW(
            [{"params": heads}, {"params": base, "lr_scale": BASE_SHARE}],
            lr=RATE,
            weight_decay=0.05,
        ),
        lambda epoch: Batches(lambda index: make(epoch, index), count),
        Plan(epochs=epochs, lr=RATE),
        name=f"alignment, views weigh {views_weight:g}",
        after_step=after_step,
    )
    tower.load_state_dict(state)
    say(f"alignment: validation recall@10 {best:.3f}")
    return best


@torch.inference_mode()
def encoded(tower: ImageTower, kept: States, texts_NW: Floats, rows: Ints) -> tuple[Floats, Floats]:
    """Return the unit vectors of pictures and of names, (rows, D) each."""
    device = next(tower.parameters()).device
    parts = [tower.projection(tower.base.above(kept.plain[part].to(device))).cpu() for part in
             torch.from_numpy(rows).split(256)]  # fmt: skip
    return torch.cat(parts).numpy(), tower.encode_texts(texts_NW[rows])


def recalls(asked_ND: Floats, offered_ND: Floats) -> dict[int, Floats]:
    """Return whether the own row is among the nearest 1, 5 and 10, (N,) each."""
    scores = asked_ND @ offered_ND.T
    own = np.diag(scores)[:, None]
    place = (scores > own).sum(1)
    return {k: (place < k).astype(np.float64) for k in (1, 5, 10)}
