"""The projection of the text tower, fitted on encoded texts: cheap, so with large batches."""

import math

import numpy as np
import torch
from torch import Tensor, nn

from components.platform.encoders.projection import Projection
from components.platform.training.batches import Batches
from components.platform.training.checkpoints import Checkpoints
from components.platform.training.loop import Plan, fit
from components.platform.training.losses import in_batch_contrast
from components.platform.training.meter import Log
from components.shop_ranking.text_pretraining.pairs import Pairs
from components.shop_ranking.towers.text import TextParams


def fit_projection(
    projection: Projection,
    items_NW: np.ndarray,
    pairs: Pairs,
    texts_TW: np.ndarray,
    *,
    params: TextParams,
    seed: int,
    checkpoints: Checkpoints,
    log: Log,
) -> None:
    """Whiten the catalogue, then learn from the pairs, then centre the catalogue again.

    Args:
        projection: fitted in place.
        items_NW: encoded texts of the items known at the first cut.
        pairs: pairs of rows in texts_TW.
        texts_TW: encoded texts of the pairs.
        params: projection_steps of them are run, or a share after a start; none without pairs.
        seed: of the draws.
        checkpoints: of the stage.
        log: takes the loss curve.

    """
    steps = params.projection_steps
    if params.start_from is None:
        projection.whiten(items_NW, params.whitening)
    else:
        steps = math.ceil(steps * params.start_share)
    if len(pairs) == 0 or steps == 0:
        return
    rate = params.projection_learning_rate
    objective = _Objective(projection, torch.from_numpy(texts_TW), params.projection_temperature)
    optimizer = torch.optim.AdamW(
        projection.parameters(), lr=rate, weight_decay=params.projection_weight_decay
    )
    batches = Batches(lambda index: pairs.batch(params.projection_batch_size, seed, index), steps)
    fit(
        objective,
        optimizer,
        lambda epoch: batches,
        Plan(epochs=1, lr=rate, schedule=params.schedule),
        name="projection",
        checkpoints=checkpoints,
        log=log,
    )
    projection.centre(items_NW)


class _Objective(nn.Module):
    texts: Tensor

    def __init__(self, projection: Projection, texts_TW: Tensor, temperature: float) -> None:
        super().__init__()
        self.projection, self.scale = projection, 1.0 / temperature
        self.register_buffer("texts", texts_TW, persistent=False)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        loss = in_batch_contrast(
            self.projection(self.texts[batch["left"]]),
            self.projection(self.texts[batch["right"]]),
            self.scale,
            group_B=batch["right"],
            log_q_B=(batch["log_q_left"], batch["log_q_right"]),
        )
        return {"loss": loss}
