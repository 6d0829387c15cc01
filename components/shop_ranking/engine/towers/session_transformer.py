"""A causal Transformer over sessions that knows how many days lie between them."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class TimedBlock(nn.Module):
    """Pre-norm attention and feed-forward; attention fades with days passed.

    Each head takes a slope on log(1 + days) and on days off its scores, in the way of ALiBi
    (Press et al., ICLR 2022) with time in place of position.
    """

    def __init__(self, width: int, heads: int, feedforward: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm_in, self.norm_mid = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(
            nn.Linear(width, feedforward), nn.GELU(), nn.Linear(feedforward, width)
        )
        self.log_slope_H = nn.Parameter(torch.linspace(0.02, 0.3, heads))
        self.slope_H = nn.Parameter(torch.linspace(0.2, 2.0, heads))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_BTW: Tensor, days_BTT: Tensor, future_TT: Tensor) -> Tensor:
        """Return the next layer's (B, T, W)."""
        B, T, W = x_BTW.shape
        qkv = self.qkv(self.norm_in(x_BTW)).view(B, T, 3, self.heads, W // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, H, T, W / H)
        days_B1TT = days_BTT[:, None]
        fade = self.log_slope_H[:, None, None] * torch.log1p(days_B1TT)
        fade = fade + self.slope_H[:, None, None] * days_B1TT / 60.0
        scores_BHTT = q @ k.transpose(-1, -2) / math.sqrt(W // self.heads) - fade
        shares = scores_BHTT.masked_fill(future_TT, -math.inf).softmax(-1)
        read = (shares @ v).transpose(1, 2).reshape(B, T, W)
        x_BTW = x_BTW + self.dropout(self.out(read))
        return x_BTW + self.dropout(self.feed(self.norm_mid(x_BTW)))


class SessionTransformer(nn.Module):
    """Sessions' summed items in, one state a session out; `buckets` of pauses and of sizes."""

    def __init__(
        self,
        dim: int,
        *,
        width: int,
        layers: int,
        heads: int,
        feedforward: int,
        buckets: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.buckets = buckets
        self.enter, self.norm = nn.Linear(dim, width), nn.LayerNorm(width)
        self.gap, self.size = (nn.Embedding(buckets, width) for _ in range(2))
        for table in (self.gap, self.size):
            nn.init.normal_(table.weight, std=0.02)
        self.blocks = nn.ModuleList(
            TimedBlock(width, heads, feedforward, dropout) for _ in range(layers)
        )
        self.dropout = nn.Dropout(dropout)

    def tokens(self, bag_SD: Tensor, gap_S: Tensor, size_S: Tensor) -> Tensor:
        """Return one token a session, (S, W)."""
        mean_SD = bag_SD / size_S[:, None].sqrt()
        return (
            self.norm(self.enter(mean_SD)) + self.gap(log_bucket(gap_S, self.buckets))
            + self.size(log_bucket(size_S, self.buckets))
        )  # fmt: skip

    def forward(self, token_BTW: Tensor, days_BTT: Tensor, future_TT: Tensor) -> Tensor:
        """Return the states, (B, T, W); position t has seen sessions 0..t."""
        x_BTW = self.dropout(token_BTW)
        for block in self.blocks:
            x_BTW = block(x_BTW, days_BTT, future_TT)
        return x_BTW


def log_bucket(value: Tensor, buckets: int) -> Tensor:
    """Bucket a value >= 0 on a logarithmic scale, four buckets a power of e."""
    return (4.0 * torch.log1p(value)).long().clamp(0, buckets - 1)


def unit_scale(x_ND: Tensor) -> Tensor:
    """Scale rows to a root mean square of one."""
    return functional.rms_norm(x_ND, x_ND.shape[-1:], eps=1e-6)
