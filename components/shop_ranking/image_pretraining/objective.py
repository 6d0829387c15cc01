"""What the image encoder is trained for: recognising a picture, and finding its text."""

import numpy as np
import torch
from torch import Tensor

from components.platform.encoders.image import ImageTower
from components.platform.encoders.image_pictures import decode_all
from components.platform.training.batches import Batches
from components.platform.training.frozen import PartlyFrozen
from components.platform.training.losses import in_batch_contrast
from components.shop_ranking.image_pretraining.augmentation import augmented
from components.shop_ranking.image_pretraining.pictures import Pictures
from components.shop_ranking.towers.image import ImageParams


class ImageObjective(PartlyFrozen):
    """Contrast of two views of a picture (SimCLR) plus contrast with its text (CLIP)."""

    def __init__(self, tower: ImageTower, params: ImageParams) -> None:
        super().__init__()
        self.tower = tower
        self.scale = 1.0 / params.temperature
        self.alignment_weight = params.alignment_weight

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return loss, its parts and the number of samples."""
        both = torch.cat([batch["first_view"], batch["second_view"]])
        first_BD, second_BD = self.tower.projection(self.tower.features(both)).chunk(2)
        texts = self.tower.text_projection(batch["text"])
        described = batch["has_text"]
        views = self._contrast(first_BD, second_BD, batch["picture"])
        alignment = self._contrast(
            first_BD[described], texts[described], batch["text_row"][described]
        )
        return {
            "loss": views + self.alignment_weight * alignment,
            "views": views,
            "alignment": alignment,
            "samples": torch.tensor(float(len(first_BD))),
        }

    def _contrast(self, left_BD: Tensor, right_BD: Tensor, group_B: Tensor) -> Tensor:
        """In-batch contrast; zero when there is nothing to choose from."""
        if len(group_B) < 2:
            return (left_BD.sum() + right_BD.sum()) * 0.0
        return in_batch_contrast(left_BD, right_BD, self.scale, group_B)


def picture_batches(
    pictures: Pictures,
    texts_NW: np.ndarray,
    text_row_N: np.ndarray,
    *,
    size: int,
    params: ImageParams,
    count: int,
    seed: int,
) -> Batches:
    """Return batches of pictured items for ImageObjective, each drawn by (seed, its number).

    Args:
        pictures: N pictured items; unreadable pictures fall out of a batch.
        texts_NW: their text vectors, NaN where there is no text.
        text_row_N: equal for equal texts.
        size: side of the pixels.
        params: batch_size, and how views are drawn.
        count: number of batches.
        seed: of the draws and the views.

    """

    def make(index: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((seed, index))
        drawn = rng.choice(len(pictures.item), min(params.batch_size, len(pictures.item)), False)
        pixels, readable = decode_all(pictures.take(pictures.picture[drawn]), size)
        drawn = drawn[readable]
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        texts = torch.from_numpy(texts_NW[drawn])
        return {
            "first_view": augmented(pixels, generator, params),
            "second_view": augmented(pixels, generator, params),
            "picture": torch.from_numpy(pictures.picture[drawn]),
            "text": texts.nan_to_num(0.0),
            "text_row": torch.from_numpy(text_row_N[drawn]),
            "has_text": ~texts.isnan().any(1),
        }

    return Batches(make, count)
