"""Training of the order tower: at every place of every sequence, the item that comes next."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from components.platform.training.batches import Batches
from components.platform.training.loop import Fitted, Plan, best_device, fit
from components.platform.training.losses import sampled_softmax
from components.shop_ranking.engine.towers.item_orders import Ints, Orders
from components.shop_ranking.engine.towers.order_tower import OrderTower


@dataclass(frozen=True)
class NextItemPlan:
    """How the tower is trained."""

    epochs: int = 6  # of the learning rate's schedule
    lr: float = 2e-3
    weight_decay: float = 0.01
    batch_places: int = 1200
    negatives: int = 2048


class NextItemBatch(NamedTuple):
    """One step: B sequences of T places, and N negatives that all of them share."""

    read_BT: Tensor  # int64 items read
    wanted_BT: Tensor  # int64 the item after each
    place_P: Tensor  # int64 the real places, in the flattened (B, T)
    negative_N: Tensor  # int64
    log_q: Tensor  # log of the expected draws of each negative
    hit_row: Tensor  # int64 place where a negative is the wanted item
    hit_column: Tensor


class NextItem:
    """Batches of like lengths; batch i of an epoch depends on seed, epoch and i alone."""

    def __init__(
        self, orders: Orders, *, longest: int, batch_places: int, negatives: int, seed: int
    ) -> None:
        self.orders, self.longest, self.seed = orders, longest, seed
        self.batch_places, self.negatives = batch_places, negatives
        self.seen = np.flatnonzero(orders.counts)
        self.rows = np.flatnonzero(orders.length >= 2)

    def epoch(self, epoch: int) -> Sequence[NextItemBatch]:
        """Return the batches of one pass over all shoppers; none where none has two items."""
        if not len(self.rows):
            return []
        rng = np.random.default_rng([self.seed, epoch])
        length = np.minimum(self.orders.length[self.rows], self.longest + 1)
        order = np.argsort(length + rng.random(len(length)) * 2, kind="stable")
        ends = np.cumsum(length[order]) // self.batch_places
        parts = np.split(self.rows[order], np.flatnonzero(np.diff(ends)) + 1)
        shuffled = rng.permutation(len(parts))
        return Batches(
            lambda index: self._batch(
                parts[shuffled[index]], np.random.default_rng([self.seed, epoch, index])
            ),
            len(parts),
        )

    def _batch(self, rows: Ints, rng: np.random.Generator) -> NextItemBatch:
        item_BT, real_BT = self.orders.padded(rows, self.longest + 1)
        wanted_BT = item_BT[:, 1:]
        place_P = np.flatnonzero(real_BT[:, 1:])
        negative_N = rng.permutation(self.seen)[: self.negatives]
        column_I = np.full(self.orders.items, -1)
        column_I[negative_N] = np.arange(len(negative_N))
        hit_P = column_I[wanted_BT.reshape(-1)[place_P]]
        log_q = np.log(len(negative_N) / len(self.seen))
        return NextItemBatch(
            torch.from_numpy(item_BT[:, :-1].copy()),
            torch.from_numpy(wanted_BT.copy()),
            torch.from_numpy(place_P),
            torch.from_numpy(negative_N),
            torch.tensor(log_q, dtype=torch.float32),
            torch.from_numpy(np.flatnonzero(hit_P >= 0)),
            torch.from_numpy(hit_P[hit_P >= 0]),
        )


class NextItemObjective(nn.Module):
    """Sampled softmax against shared negatives and against the shopper's own items."""

    def __init__(self, tower: OrderTower) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, batch: NextItemBatch) -> dict[str, Tensor]:
        """Return the loss, and how much was read."""
        wanted_P = batch.wanted_BT.flatten()[batch.place_P]
        asked = torch.cat([batch.read_BT.flatten(), wanted_P, batch.negative_N])
        sizes = [batch.read_BT.numel(), len(wanted_P), len(batch.negative_N)]
        # One gather of what this step needs: unit vectors of the whole catalogue cost far more.
        read_RD, wanted_PD, negative_ND = self.tower.item_vectors(asked).split(sizes)
        read_BTD = read_RD.unflatten(0, batch.read_BT.shape)
        made_BTD = self.tower.shopper_vectors(batch.read_BT, read_BTD)
        vectors_PD = made_BTD.flatten(0, 1)[batch.place_P]
        own_BTT, gain_BT = self._own_items(made_BTD, read_BTD, batch)
        losses = sampled_softmax(
            vectors_PD,
            wanted_PD[:, None],
            negative_ND,
            log_q_N=batch.log_q,
            hits=(batch.hit_row, batch.hit_column),
            own_BK=own_BTT.flatten(0, 1)[batch.place_P],
            gain_BM=gain_BT.flatten()[batch.place_P, None],
        )
        return {
            "loss": losses.mean(),
            "users": torch.tensor(float(len(batch.read_BT))),
            "tokens": torch.tensor(float(len(batch.place_P))),
            "samples": torch.tensor(float(len(batch.place_P))),
        }

    def _own_items(
        self, made_BTD: Tensor, read_BTD: Tensor, batch: NextItemBatch
    ) -> tuple[Tensor, Tensor]:
        """Return the scores of own items as negatives, and what a wanted own item gains.

        Row t of (B, T, T) offers the items read at 0..t, each once, at its latest place; -inf
        elsewhere and at the wanted item.
        """
        read_BT, length = batch.read_BT, batch.read_BT.shape[1]
        later_TT = torch.ones(length, length, dtype=torch.bool, device=read_BT.device).triu(1)
        alike_BTT = (read_BT[:, :, None] == read_BT[:, None, :]) & later_TT
        again_BT = torch.where(alike_BTT.any(-1), alike_BTT.int().argmax(-1), length)
        place_T = torch.arange(length, device=read_BT.device)
        held_BTT = ~later_TT & (again_BT[:, None, :] > place_T[:, None])
        wanted_BTT = held_BTT & (read_BT[:, None, :] == batch.wanted_BT[:, :, None])
        repeat_TT = self.tower.repeat_weights(length)
        own_BTT = made_BTD @ read_BTD.transpose(1, 2) + repeat_TT
        own_BTT = own_BTT.masked_fill(~held_BTT | wanted_BTT, -math.inf)
        return own_BTT, (wanted_BTT * repeat_TT).sum(-1)


def train_order_tower(
    tower: OrderTower,
    orders: Orders,
    plan: NextItemPlan,
    *,
    seed: int,
    after_epoch: Callable[[int], bool | None] | None = None,
    stop_after: int | None = None,
) -> Fitted:
    """Train in place, on CUDA where there is one; `after_epoch` gets the number of
    epochs done and may end the training by returning True.

    The next item is predicted at every place, so one pass learns from every prefix.
    """
    examples = NextItem(
        orders,
        longest=tower.config.longest,
        batch_places=plan.batch_places,
        negatives=plan.negatives,
        seed=seed,
    )
    ends: list[int] = []  # steps after which an epoch is over

    def batches(epoch: int) -> Sequence[NextItemBatch]:
        made = examples.epoch(epoch)
        ends.append((ends[-1] if ends else 0) + len(made))
        return made

    def after_step(step: int) -> bool:
        if after_epoch is None or step != ends[-1]:
            return False
        done = after_epoch(len(ends))
        tower.train()
        return bool(done)

    tower.to(best_device())
    trained = [parameter for parameter in tower.parameters() if parameter.requires_grad]
    return fit(
        NextItemObjective(tower),
        torch.optim.AdamW(trained, lr=plan.lr, weight_decay=plan.weight_decay, fused=True),
        batches,
        Plan(epochs=plan.epochs, lr=plan.lr, stop_after=stop_after),
        name="order tower",
        after_step=after_step,
    )
