"""The loss of the behaviour tower: which items come within the horizon after a moment."""

import torch
from torch import Tensor, nn

from components.platform.training.losses import sampled_softmax
from components.shop_ranking.behaviour_pretraining.examples import Batch
from components.shop_ranking.engine.towers.behaviour import BehaviourTower


class WantedWithinHorizon(nn.Module):
    """Sampled softmax of each moment's positives against negatives shared by the batch."""

    def __init__(self, tower: BehaviourTower) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the loss, and how much was read."""
        table_ID = self.tower.item_table()
        state_BTW, own_BTD = self.tower.read(table_ID, batch.grid)
        vectors_PD = self.tower.shopper_vectors(
            state_BTW.flatten(0, 1)[batch.place_P], own_BTD.flatten(0, 1)[batch.place_P],
            batch.gap_P,
        )  # fmt: skip
        items_ID = self.tower.item_vectors(table_ID)
        losses = sampled_softmax(
            vectors_PD,
            items_ID[batch.positive_PM],
            items_ID[batch.negative_N],
            log_q_N=batch.log_q,
            hits=(batch.hit_row, batch.hit_column),
        )
        return {
            "loss": losses.sum() / max(losses.numel(), 1),  # a batch may have no moment
            "users": torch.tensor(float(len(batch.grid.day_BT))),
            "tokens": torch.tensor(float(len(batch.grid.item_E))),
            "samples": torch.tensor(float(len(batch.positive_PM))),
        }
