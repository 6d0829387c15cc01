"""A causal Transformer over single items in order; attention knows how many places lie between."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from components.shop_ranking.engine.towers.dropout import ByteDropout

FARTHEST = 50  # places; farther ones share a bias


class PlacedBlock(nn.Module):
    """Pre-norm attention and feed-forward with a learnt bias a head and distance.

    Relative positions after Shaw et al. 2018 in T5's form (Raffel et al. 2020).
    """

    def __init__(self, width: int, heads: int, dropout: float, feed: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_in, self.norm_mid = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(
            nn.Linear(width, feed * width), nn.GELU(), ByteDropout(dropout),
            nn.Linear(feed * width, width),
        )  # fmt: skip
        self.bias_HL = nn.Parameter(torch.zeros(heads, FARTHEST + 1))
        self.dropout = ByteDropout(dropout)

    def forward(self, x_BTW: Tensor, places: "Places") -> Tensor:
        """Return the next layer's (B, T, W)."""
        B, T, W = x_BTW.shape
        qkv = self.qkv(self.norm_in(x_BTW)).view(B, T, 3, self.heads, W // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, H, T, W / H)
        bias_HTT = self.bias_HL[:, places.apart_TT].masked_fill(places.future_TT, -math.inf)
        read = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias_HTT[None])
        x_BTW = x_BTW + self.dropout(self.out(read.transpose(1, 2).reshape(B, T, W)))
        return x_BTW + self.dropout(self.feed(self.norm_mid(x_BTW)))


class Places:
    """How far apart the T places of a sequence are, and which of them come later."""

    def __init__(self, length: int, device: torch.device) -> None:
        place_T = torch.arange(length, device=device)
        self.apart_TT = (place_T[:, None] - place_T[None]).clamp(0, FARTHEST)
        self.future_TT = place_T[None] > place_T[:, None]


class FadingSum(nn.Module):
    """A sum over a sequence so far, each group of dimensions with a learnt weight a distance."""

    def __init__(self, groups: int, start_L: Tensor, *, positive: bool) -> None:
        super().__init__()
        self.groups, self.positive = groups, positive
        self.weight_GL = nn.Parameter(start_L.repeat(groups, 1))

    def forward(self, x_BTD: Tensor, places: Places) -> Tensor:
        """Return the sums, (B, T, D); place t has seen places 0..t."""
        B, T, D = x_BTD.shape
        kernel_GTT = self.weight_GL[:, places.apart_TT]
        kernel_GTT = kernel_GTT.exp() if self.positive else kernel_GTT
        kernel_GTT = kernel_GTT.masked_fill(places.future_TT, 0.0)
        grouped_BGTd = x_BTD.view(B, T, self.groups, D // self.groups).transpose(1, 2)
        return (kernel_GTT @ grouped_BGTd).transpose(1, 2).reshape(B, T, D)
