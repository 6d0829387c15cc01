"""Behaviour tower: shoppers and items as vectors whose dot product is the wish for an item.

In the family of SASRec (Kang and McAuley, ICDM 2018): a causal Transformer over the shopper's
past, items tied between input and output. Three parts add up to a score: the item's popularity;
the shopper's own items, summed with several half-lives, so that repetition and recency need not be
learnt through layers; and what the Transformer makes of the sessions.
"""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch import Tensor, nn
from torch.nn import functional

from components.platform.errors import ModelError
from components.platform.files import atomic_file, read_table, write_json, write_table
from components.platform.schemas import EVENT_TYPES
from components.shop_ranking.engine.towers.behaviour_config import TowerConfig
from components.shop_ranking.engine.towers.histories import (
    Grid,
    Histories,
    Sessions,
    grid,
    latest_windows,
    length_buckets,
)
from components.shop_ranking.engine.towers.item_words import item_words
from components.shop_ranking.engine.towers.session_transformer import (
    SessionTransformer,
    log_bucket,
    unit_scale,
)

PLACES = 4096  # sessions of a batch, padding counted. Capacity only: changes no result.


class BehaviourTower(nn.Module):
    """The tower on one catalogue of I items, row i being item_ids[i]."""

    seen_I: Tensor
    word: Tensor
    word_first: Tensor

    def __init__(self, config: TowerConfig, items: pa.Table) -> None:
        super().__init__()
        self.config = config
        self.item_ids: list[str] = items["item_id"].to_pylist()
        count, dim = len(self.item_ids), config.dim
        words = item_words(items, config.word_buckets)
        self.register_buffer("word", torch.from_numpy(words.word))
        self.register_buffer("word_first", torch.from_numpy(words.first))
        self.register_buffer("seen_I", torch.zeros(count, dtype=torch.bool))
        self.item_id = nn.Embedding(count, dim)
        nn.init.normal_(self.item_id.weight, std=dim**-0.5)
        self.words = nn.Embedding(config.word_buckets, config.word_dim)
        nn.init.normal_(self.words.weight, std=0.1)
        self.content = nn.Linear(config.word_dim, dim, bias=False)
        self.popularity_I = nn.Parameter(torch.zeros(count))
        self.kind = nn.Embedding(len(EVENT_TYPES), 1)  # log weight of an event type
        nn.init.zeros_(self.kind.weight)
        self.sessions = SessionTransformer(
            dim,
            width=config.width,
            layers=config.layers,
            heads=config.heads,
            feedforward=config.feedforward_widths * config.width,
            buckets=config.gap_buckets,
            dropout=config.dropout,
        )
        self.query_gap = nn.Embedding(config.gap_buckets, config.width)
        nn.init.normal_(self.query_gap.weight, std=0.02)
        inner = config.taste_widths * config.width
        leave = nn.Linear(inner, dim)
        nn.init.zeros_(leave.weight)  # starts as the shopper's own items alone
        enter = nn.Linear(config.width, inner)
        self.taste = nn.Sequential(nn.LayerNorm(config.width), enter, nn.GELU(), leave)
        self.mix = nn.Parameter(torch.zeros(len(config.half_lives_days)))
        self.scale_D = nn.Parameter(torch.ones(dim))

    @property
    def width(self) -> int:
        """Width of the vectors: the embedding and the place of popularity."""
        return self.config.dim + 1

    def observe(self, histories: Histories) -> None:
        """Learn which items have been seen; a newly seen one starts at its popularity."""
        counts = np.bincount(histories.item, minlength=len(self.item_ids))
        log_count_I = torch.from_numpy(np.log(np.maximum(counts, 1)).astype(np.float32))
        log_count_I = log_count_I.to(self.popularity_I.device)
        now = torch.from_numpy(counts > 0).to(self.seen_I.device)
        new = now & ~self.seen_I
        with torch.no_grad():
            self.popularity_I[new] = log_count_I[new] + self.config.unseen_popularity
        self.seen_I |= now

    def item_table(self) -> Tensor:
        """Return the item embeddings, (I, D); an unseen item has its content alone."""
        content_ID = self.content(
            functional.embedding_bag(
                self.word, self.words.weight, self.word_first[:-1], mode="mean"
            )
        )
        table: Tensor = self.item_id.weight * self.seen_I[:, None] + content_ID
        return table

    def item_vectors(self, table_ID: Tensor) -> Tensor:
        """Append the popularity, (I, D + 1)."""
        floor = torch.where(self.seen_I, self.popularity_I, self.config.unseen_popularity)
        return torch.cat([table_ID, floor[:, None]], dim=1)

    def read(self, table_ID: Tensor, batch: Grid) -> tuple[Tensor, Tensor]:
        """Return the state (B, T, W) and the decayed sum of own items (B, T, D) a session."""
        B, T = batch.day_BT.shape
        weight_E = self.kind(batch.kind_E)[:, 0].exp()
        bag_SD = functional.embedding_bag(
            batch.item_E, table_ID, batch.bag_S, mode="sum", per_sample_weights=weight_E
        )
        days_BTT = (batch.day_BT[:, :, None] - batch.day_BT[:, None, :]).clamp(min=0.0)
        future_TT = torch.ones(T, T, dtype=torch.bool, device=days_BTT.device).triu(1)
        shares = self.mix.softmax(0)
        fading = sum(
            share * torch.exp2(-days_BTT / half)
            for share, half in zip(shares, self.config.half_lives_days, strict=True)
        )
        own_BTD = (fading * ~future_TT) @ _spread(bag_SD, batch.place_S, B, T)
        token_SW = self.sessions.tokens(bag_SD, batch.gap_S, batch.size_S)
        state_BTW = self.sessions(_spread(token_SW, batch.place_S, B, T), days_BTT, future_TT)
        return state_BTW, own_BTD

    def shopper_vectors(self, state_PW: Tensor, own_PD: Tensor, gap_P: Tensor) -> Tensor:
        """Return shopper vectors (P, D + 1), `gap_P` days after the last session read."""
        taste_PD = self.taste(state_PW + self.query_gap(log_bucket(gap_P, self.config.gap_buckets)))
        mixed_PD = self.scale_D * (unit_scale(own_PD) + taste_PD)
        return torch.cat([mixed_PD, torch.ones_like(mixed_PD[:, :1])], dim=1)

    @torch.no_grad()
    def encode(self, sessions: Sessions) -> npt.NDArray[np.float32]:
        """Return the vectors (U, D + 1) of shoppers, none without a session, as of day 0."""
        self.eval()
        device, table_ID = self.scale_D.device, self.item_table()
        windows = latest_windows(sessions, self.config.max_sessions)
        length = windows.end - windows.first
        vectors = np.full((len(length), self.width), np.nan, np.float32)
        for rows in length_buckets(length, PLACES):
            batch = Grid(*(part.to(device) for part in grid(sessions, windows.take(rows))[0]))
            state_BTW, own_BTD = self.read(table_ID, batch)
            last = torch.from_numpy(length[rows] - 1).to(device)
            at = (torch.arange(len(rows), device=device), last)
            gap = torch.from_numpy(-sessions.day[windows.end[rows] - 1]).to(device)
            made = self.shopper_vectors(state_BTW[at], own_BTD[at], gap.clamp(min=0.0))
            vectors[rows] = made.cpu().numpy()
        return vectors

    @torch.no_grad()
    def encode_items(self) -> npt.NDArray[np.float32]:
        """Return the items' vectors (I, D + 1), NaN for one unseen and without any words."""
        self.eval()
        vectors: npt.NDArray[np.float32] = self.item_vectors(self.item_table()).cpu().numpy()
        blank = ~self.seen_I & (self.word_first.diff() == 0)
        vectors[blank.cpu().numpy()] = np.nan
        return vectors

    def save(self, folder: Path, about: dict[str, object]) -> None:
        """Write tower.json, weights.pt and items.parquet (the ids of the rows)."""
        with atomic_file(folder / "weights.pt") as path, path.open("wb") as stream:
            torch.save(self.state_dict(), stream)
        write_table(pa.table({"item_id": self.item_ids}), folder / "items.parquet")
        write_json(
            {**about, "name": "behaviour", "dim": self.width, "config": asdict(self.config)},
            folder / "tower.json",
        )

    @classmethod
    def load(cls, folder: Path) -> "BehaviourTower":
        """Read what `save` wrote.

        Raises:
            ModelError: the folder is no behaviour tower.

        """
        try:
            config = TowerConfig.read(folder)
            state = torch.load(folder / "weights.pt", map_location="cpu", weights_only=True)
        except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ModelError(
                f"a behaviour tower in {folder}", repr(error), "train it, or name another folder"
            ) from error
        ids = read_table(folder / "items.parquet", ["item_id"])
        nothing = pa.nulls(ids.num_rows, pa.string())
        tower = cls(
            config,
            ids.append_column("title", nothing)
            .append_column("category", nothing)
            .append_column("brand", nothing),
        )
        tower.word = torch.empty_like(state["word"])  # the words come with the weights
        tower.load_state_dict(state)
        return tower.eval()

    def on_catalogue(self, items: pa.Table) -> "BehaviourTower":
        """Return this tower on another catalogue: known ids keep their rows, new ones content."""
        other = BehaviourTower(self.config, items)
        row = {item: index for index, item in enumerate(self.item_ids)}
        source = torch.tensor([row.get(item, -1) for item in other.item_ids], dtype=torch.int64)
        known = source >= 0
        own = {"word", "word_first", "seen_I", "item_id.weight", "popularity_I"}
        shared = {key: value for key, value in self.state_dict().items() if key not in own}
        other.load_state_dict(shared, strict=False)
        with torch.no_grad():
            other.item_id.weight[known] = self.item_id.weight[source[known]]
            other.popularity_I[known] = self.popularity_I[source[known]]
            other.seen_I[known] = self.seen_I[source[known]]
        return other.eval()


def _spread(rows_SD: Tensor, place_S: Tensor, B: int, T: int) -> Tensor:
    flat = rows_SD.new_zeros(B * T, rows_SD.shape[1]).index_copy(0, place_S, rows_SD)
    return flat.view(B, T, -1)
