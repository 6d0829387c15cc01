"""The behaviour tower where only the order of single items is known, not their days.

The same three parts as behaviour.py, in the family of SASRec (Kang and McAuley,
ICDM 2018): popularity; the shopper's own items, summed with learnt fading, so that what goes with
what need not be learnt through layers; and a causal Transformer. Items have one vector as input
and another as output, started from factorised transitions (spectral.py), and are
compared by cosine with a learnt temperature. Whether own items come again is a weight by distance,
learnt from the data: strongly negative where nobody buys a thing twice.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from components.shop_ranking.engine.towers.dropout import ByteDropout
from components.shop_ranking.engine.towers.item_orders import Floats, Ints, Orders
from components.shop_ranking.engine.towers.order_transformer import (
    FARTHEST,
    FadingSum,
    PlacedBlock,
    Places,
)

GROUPS = 4  # of dimensions that fade alike
SHOPPERS_A_BATCH = 512  # that are encoded at once; capacity only: changes no result


@dataclass(frozen=True)
class OrderTowerConfig:
    """Shape of the network and its regularisation."""

    dim: int = 256  # of item and shopper vectors: co-occurrence of many items has a high rank
    width: int = 64  # of the Transformer
    layers: int = 1
    heads: int = 2
    feed: int = 4  # width of the feed-forward part, in widths of the Transformer
    longest: int = 50  # latest items that are read
    dropout: float = 0.2  # in the Transformer and its input
    item_dropout: float = 0.2  # of the items read
    own_dropout: float = 0.3  # of the sum of own items
    temperature: float = 0.07  # at the start; learnt (CLIP, Radford et al. 2021)
    repeats: bool = True  # learn a weight for own items


class OrderTower(nn.Module):
    """The tower on one table of I items."""

    def __init__(self, config: OrderTowerConfig, counts_I: Ints) -> None:
        super().__init__()
        self.config = config
        items, dim, width = len(counts_I), config.dim, config.width
        self.read_ID = nn.Parameter(torch.randn(items, dim) * dim**-0.5)
        self.offered_ID = nn.Parameter(torch.randn(items, dim) * dim**-0.5)
        self.hidden_D = nn.Parameter(
            torch.randn(dim) * dim**-0.5
        )  # read in place of a dropped item
        log_count_I = torch.from_numpy(np.log1p(counts_I).astype(np.float32))
        self.popularity_I = nn.Parameter(log_count_I - log_count_I.mean())
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / config.temperature)))
        distance_L = torch.arange(FARTHEST + 1.0)
        self.own = FadingSum(GROUPS, -0.5 * distance_L, positive=True)
        self.alike = FadingSum(GROUPS, torch.zeros(FARTHEST + 1), positive=False)
        self.repeat_L = nn.Parameter(torch.zeros(FARTHEST + 1), requires_grad=config.repeats)
        self.enter, self.norm = nn.Linear(dim, width), nn.LayerNorm(width)
        self.blocks = nn.ModuleList(
            PlacedBlock(width, config.heads, config.dropout, config.feed)
            for _ in range(config.layers)
        )
        self.norm_out, self.leave = nn.LayerNorm(width), nn.Linear(width, dim)
        nn.init.zeros_(self.leave.weight)  # starts as the shopper's own items alone
        nn.init.zeros_(self.leave.bias)
        self.dropout = ByteDropout(config.dropout)
        self.own_dropout = ByteDropout(config.own_dropout)

    @torch.no_grad()
    def start_from(self, read_ID: Floats, offered_ID: Floats) -> None:
        """Start the items from known vectors, scaled to a mean square length of one."""
        level = max(float(np.sqrt((offered_ID**2).sum(1).mean())), 1e-12)
        self.read_ID.copy_(torch.from_numpy(read_ID / level))
        self.offered_ID.copy_(torch.from_numpy(offered_ID / level))

    @torch.no_grad()
    def observe_repeats(self, orders: Orders) -> None:
        """Start the weight of own items at the log-odds that the next item is one of them."""
        pairs = np.stack([orders.owner, orders.item])
        distinct = np.unique(pairs, axis=1).shape[1]
        again, next_items = len(orders.item) - distinct, len(orders.item) - len(orders)
        odds = (again + 0.5) / (max(next_items - again, 0) + 0.5)
        self.repeat_L.fill_(math.log(odds) if self.config.repeats else 0.0)

    def item_vectors(self, item: Tensor | None = None) -> Tensor:
        """Return items as they are offered, unit vectors and their popularity, (..., D + 1).

        `item` (...,) chooses; all by default. Asked for some, the others cost no derivative.
        """
        offered_ID = (
            self.offered_ID if item is None else functional.embedding(item, self.offered_ID)
        )
        popularity_I = self.popularity_I if item is None else self.popularity_I[item]
        return torch.cat([functional.normalize(offered_ID, dim=-1), popularity_I[..., None]], -1)

    def shopper_vectors(self, item_BT: Tensor, offered_BTD: Tensor) -> Tensor:
        """Return one vector a place, (B, T, D + 1); place t has seen places 0..t.

        `offered_BTD` is item_vectors(item_BT).
        """
        places = Places(item_BT.shape[1], item_BT.device)
        read_BTD = functional.embedding(item_BT, self.read_ID)
        if self.training and self.config.item_dropout:
            hidden = torch.rand_like(read_BTD[..., :1]) < self.config.item_dropout
            read_BTD = torch.where(hidden, self.hidden_D, read_BTD)
        own_BTD = self.own_dropout(self.own(read_BTD, places))
        state_BTW = self.dropout(self.norm(self.enter(read_BTD)))
        for block in self.blocks:
            state_BTW = block(state_BTW, places)
        taste_BTD = self.leave(self.norm_out(state_BTW))
        mixed_BTD = functional.rms_norm(own_BTD, own_BTD.shape[-1:]) + taste_BTD
        alike_BTD = self.alike(offered_BTD[..., : self.config.dim], places)
        mixed_BTD = functional.normalize(mixed_BTD, dim=-1) + alike_BTD
        scaled_BTD = functional.normalize(mixed_BTD, dim=-1) * self.log_scale.exp()
        return torch.cat([scaled_BTD, torch.ones_like(scaled_BTD[..., :1])], dim=-1)

    def repeat_weights(self, length: int) -> Tensor:
        """Return what an own item's score gains, (T, T): row t offers, column s was read."""
        return self.repeat_L[Places(length, self.repeat_L.device).apart_TT]

    @torch.no_grad()
    def encode(self, histories: Orders, rows: Ints) -> Floats:
        """Return the vectors of shoppers, (B, D + 1); all of them have a history."""
        self.eval()
        device = self.read_ID.device
        offered_ID = self.item_vectors()
        vectors = np.empty((len(rows), self.config.dim + 1), np.float32)
        by_length = np.argsort(histories.length[rows], kind="stable")
        for begin in range(0, len(rows), SHOPPERS_A_BATCH):
            chosen = by_length[begin : begin + SHOPPERS_A_BATCH]
            item_BT, real_BT = histories.padded(rows[chosen], self.config.longest)
            read_BT = torch.from_numpy(item_BT).to(device)
            made = self.shopper_vectors(read_BT, offered_ID[read_BT])
            last = torch.from_numpy(real_BT.sum(1) - 1).to(device)
            vectors[chosen] = made[torch.arange(len(chosen), device=device), last].cpu().numpy()
        return vectors

    @torch.no_grad()
    def score(self, histories: Orders, rows: Ints) -> Floats:
        """Return the scores of all items for shoppers, (B, I): dot products and repeats."""
        item_vectors_ID = self.item_vectors()
        vectors = torch.from_numpy(self.encode(histories, rows)).to(item_vectors_ID.device)
        scores_BI: Floats = (vectors @ item_vectors_ID.T).cpu().numpy()
        if self.config.repeats:
            item_BT, real_BT = histories.padded(rows, self.config.longest)
            apart_BT = np.minimum(
                real_BT.sum(1)[:, None] - 1 - np.arange(item_BT.shape[1]), FARTHEST
            )
            row_N, column_N = np.nonzero(real_BT)
            gained = self.repeat_L.cpu().numpy()[apart_BT[row_N, column_N]]
            # Latest last: of an item read twice the later reading counts.
            own = np.zeros_like(scores_BI)
            own[row_N, item_BT[row_N, column_N]] = gained
            scores_BI += own
        return scores_BI
