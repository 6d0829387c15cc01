"""Training of pictures and names towards each other on what the frozen blocks made, once.

Pictures and a few augmented views of each go through the frozen blocks one time; every step then
costs the trained blocks only. Losses: contrast of picture and name (CLIP, Radford et al. 2021) with
a learnt temperature, and the labels of the training products, which both sides should tell.
"""

import copy
import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.quality.fashion.levels import VIEWS, States
from benchmarks.quality.fashion.measures import recalls
from benchmarks.quality.fashion.reading import Photographs
from components.platform.encoders.image_base import EfficientNetLite
from components.platform.encoders.projection import Projection
from components.platform.params import WhiteningParams
from components.platform.progress import say
from components.platform.training.batches import Batches
from components.platform.training.frozen import PartlyFrozen
from components.platform.training.loop import Plan, fit
from components.platform.training.losses import in_batch_contrast
from components.shop_ranking.engine.towers.item_orders import Floats, Ints

BATCH, EPOCHS, DIM = 128, 15, 256
RATE, BASE_SHARE, DECAY = 2e-3, 0.2, 0.05
TEMPERATURE, LABEL_SCALE = 0.07, 8.0  # the first one's start; label logits are scale x linear
UNKNOWN = -1  # label of a product without one


class Alignment(PartlyFrozen):
    """Pictures and names as unit vectors of one space, and the loss that brings them there."""

    middle: Tensor  # (base.width,) mean of the training products' features

    def __init__(
        self, base: EfficientNetLite, features_NF: Tensor, texts_NT: Tensor,
        photographs: Photographs, label_weight: float,
    ) -> None:  # fmt: skip
        """Start from the whitened features of the training products, (N, W + E) and (N, T)."""
        super().__init__()
        rows = photographs.part["train"]
        self.base, self.label_weight = base, label_weight
        self.register_buffer("middle", features_NF[rows, : base.width].mean(0))
        self.projection = Projection(features_NF.shape[1], DIM)
        self.text_projection = Projection(texts_NT.shape[1], DIM)
        whole = torch.cat(
            [self._centred(features_NF[:, : base.width]), features_NF[:, base.width :]], 1
        )
        self.projection.whiten(whole[rows].numpy(), WhiteningParams())
        self.text_projection.whiten(texts_NT[rows].numpy(), WhiteningParams())
        self.log_scale = nn.Parameter(torch.tensor(-math.log(TEMPERATURE)))
        self.labels = nn.ModuleDict(
            {
                name: nn.Linear(DIM, max(int(code.max()) + 1, 1))
                for name, code in photographs.labels.items()
            }
        )

    def _centred(self, features_NF: Tensor) -> Tensor:
        return functional.normalize(features_NF - self.middle, dim=-1)

    def pictures(self, last: Tensor, early_NE: Tensor) -> Tensor:
        """Return the unit vectors of pictures, (N, DIM)."""
        features = self._centred(self.base.above(last))
        vectors: Tensor = self.projection(torch.cat([features, early_NE], 1))
        return vectors

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the loss and its parts."""
        shown = self.pictures(batch["last"], batch["early"])
        named = self.text_projection(batch["text"])
        aligned = in_batch_contrast(shown, named, self.log_scale.exp(), batch["name"])
        if not self.label_weight:
            return {"loss": aligned, "aligned": aligned}
        told = sum(
            _cross_entropy(head(LABEL_SCALE * side), batch[name])
            for name, head in self.labels.items()
            for side in (shown, named)
        ) / (2 * len(self.labels))
        return {"loss": aligned + self.label_weight * told, "aligned": aligned, "told": told}

    @torch.inference_mode()
    def encoded(self, plain: States, texts_NT: Tensor, rows: Ints) -> tuple[Floats, Floats]:
        """Return the unit vectors of pictures and of names, (rows, DIM) each."""
        device = self.middle.device
        shown = torch.cat([
            self.pictures(plain.last[part].to(device), plain.early[part].to(device)).cpu()
            for part in torch.from_numpy(rows).split(256)
        ])  # fmt: skip
        return shown.numpy(), self.text_projection.apply_to(texts_NT[rows].numpy())


def _cross_entropy(logits_BC: Tensor, code_B: Tensor) -> Tensor:
    """Return the mean over the rows whose label is known, 0 without any."""
    total = functional.cross_entropy(logits_BC, code_B, ignore_index=UNKNOWN, reduction="sum")
    return total / (code_B != UNKNOWN).sum().clamp(min=1)


def train(
    model: Alignment, plain: States, views: States, texts_NT: Tensor, photographs: Photographs,
    *, epochs: int, seed: int,
) -> float:  # fmt: skip
    """Train in place and keep the epoch that is best on validation; returns its mean recall."""
    rows, held = photographs.part["train"], photographs.part["validation"]
    name_N = np.unique(np.array(photographs.names), return_inverse=True)[1]
    size = min(BATCH, len(rows))
    count = max(len(rows) // size, 1)

    def make(epoch: int, index: int) -> dict[str, Tensor]:
        order = np.random.default_rng([seed, epoch]).permutation(rows)
        drawn = order[index * size : (index + 1) * size]
        view = np.random.default_rng([seed, epoch, index]).integers(VIEWS, size=len(drawn))
        labels = {name: torch.from_numpy(code[drawn]) for name, code in photographs.labels.items()}
        return {
            "last": views.last[view, drawn],
            "early": views.early[view, drawn],
            "text": texts_NT[drawn],
            "name": torch.from_numpy(name_N[drawn]),
            **labels,
        }

    best, state = -1.0, copy.deepcopy(model.state_dict())

    def after_step(step: int) -> None:
        nonlocal best, state
        if step % count:
            return
        reached = mean_recall(*model.encoded(plain, texts_NT, held))
        if reached > best:
            best, state = reached, copy.deepcopy(model.state_dict())

    base = [p for p in model.base.parameters() if p.requires_grad]
    known = {id(p) for p in base}
    heads = [p for p in model.parameters() if p.requires_grad and id(p) not in known]
    fit(
        model,
        torch.optim.AdamW(
            [{"params": heads}, {"params": base, "lr_scale": BASE_SHARE}],
            lr=RATE,
            weight_decay=DECAY,
        ),
        lambda epoch: Batches(lambda index: make(epoch, index), count),
        Plan(epochs=epochs, lr=RATE),
        name=f"alignment, labels weigh {model.label_weight:g}",
        after_step=after_step,
    )
    model.load_state_dict(state)
    say(f"alignment: validation mean recall {best:.3f}")
    return best


def mean_recall(pictures_ND: Floats, names_ND: Floats) -> float:
    """Return the mean of recall@1, 5 and 10 in both directions: less noise than one of them."""
    both = (recalls(pictures_ND, names_ND), recalls(names_ND, pictures_ND))
    return float(np.mean([values_by_k[k].mean() for values_by_k in both for k in values_by_k]))
