"""The network of the gated fusion: a token a modality, a gate, one score."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from components.shop_ranking.engine.feature_states import TOWERS


class Batch(NamedTuple):
    """R candidate rows of B shoppers."""

    features: Tensor  # (R, F) standardised, 0 where missing, then one missing-flag a feature
    products: tuple[Tensor, ...]  # (R, D) a tower: shopper vector * item vector, 0 where missing
    scores: Tensor  # (R, T) the towers' normalised scores, 0 where missing
    present: Tensor  # (R, T) bool: the tower has both vectors
    owner: Tensor  # (R,) int64 row of the shopper
    bought: Tensor  # (R,) bool
    labels: Tensor  # (R,) float
    shoppers: int


class GatedNetwork(nn.Module):
    """Gated fusion (Arevalo et al. 2017) by masked attention from the history to the modalities."""

    def __init__(
        self, features: int, dims: tuple[int, ...], *, width: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.dims, self.features, self.width, self.dropout = dims, features, width, dropout
        self.drawn = torch.Generator()  # of the dropout: its own, as others may train meanwhile
        self.history = nn.Sequential(
            nn.Linear(features, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.project = nn.ModuleList(nn.Linear(dim + 1, width) for dim in dims)
        self.query = nn.Linear(width, width)
        self.keys = nn.ModuleList(nn.Linear(width, width) for _ in dims)
        self.out = nn.Sequential(nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, 1))

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return scores (R,) and gates (R, 1 + towers): the history's share first."""
        present_RT = batch.present
        if self.training:  # whole towers vanish for whole shoppers: modality dropout
            kept_BT = torch.rand(batch.shoppers, len(TOWERS), generator=self.drawn) > self.dropout
            present_RT = present_RT & kept_BT[batch.owner]
        history_RW = self.history(batch.features)
        query_RW = self.query(history_RW)
        tokens, logits = [history_RW], [torch.zeros(len(history_RW))]
        for k, product_RD in enumerate(batch.products):
            joined = torch.cat([product_RD, batch.scores[:, k : k + 1]], 1)
            token_RW = functional.gelu(self.project[k](joined))
            logit_R = (query_RW * self.keys[k](token_RW)).sum(1) / self.width**0.5
            tokens.append(token_RW)
            logits.append(logit_R.masked_fill(~present_RT[:, k], -torch.inf))
        gates_RM = torch.softmax(torch.stack(logits, 1), 1)
        fused_RW = (gates_RM[:, :, None] * torch.stack(tokens, 1)).sum(1)
        return self.out(torch.cat([fused_RW, history_RW], 1)).squeeze(1), gates_RM


def listwise_loss(scores_R: Tensor, batch: Batch) -> Tensor:
    """Softmax cross-entropy over each shopper's list, and over its new items alone (ListNet)."""
    whole = _softmax_loss(scores_R, batch.labels, batch.owner, batch.shoppers)
    new = ~batch.bought
    fresh = _softmax_loss(scores_R[new], batch.labels[new], batch.owner[new], batch.shoppers)
    return whole + fresh


def _softmax_loss(scores_R: Tensor, labels_R: Tensor, owner_R: Tensor, shoppers: int) -> Tensor:
    top_B = torch.full((shoppers,), -torch.inf).scatter_reduce(
        0, owner_R, scores_R.detach(), "amax"
    )
    shifted_R = scores_R - top_B[owner_R]
    sum_B = torch.zeros(shoppers).index_add(0, owner_R, shifted_R.exp())
    log_p_R = shifted_R - sum_B.clamp_min(1e-30).log()[owner_R]
    wanted_B = torch.zeros(shoppers).index_add(0, owner_R, labels_R)
    weight_R = labels_R / wanted_B.clamp_min(1)[owner_R]
    return -(weight_R * log_p_R).sum() / (wanted_B > 0).sum().clamp_min(1)
