"""Behaviour: a causal Transformer over what shoppers did."""

from typing import Annotated

from pydantic import Field, model_validator

from components.shop_ranking.towers.registration import Tower, TowerParams

Days = Annotated[float, Field(gt=0)]


class BehaviourParams(TowerParams):
    """Behaviour tower: causal Transformer over the shopper's sequence."""

    dim: int = Field(128, ge=8, le=1024, description="Width of item and shopper embeddings")
    width: int = Field(64, ge=8, le=1024, description="Width of the Transformer's states")
    layers: int = Field(2, ge=1, le=12, description="Layers of the Transformer")
    heads: int = Field(2, ge=1, le=16, description="Attention heads; a divisor of the width")
    feedforward_widths: int = Field(
        4, ge=1, le=16, description="Inner width of a layer's feed-forward part, in widths"
    )
    taste_widths: int = Field(
        2, ge=1, le=16, description="Inner width of the map from states to vectors, in widths"
    )
    dropout: float = Field(0.2, ge=0, lt=1, description="Dropout in the Transformer")
    half_lives_days: tuple[Days, ...] = Field(
        (14.0, 60.0, 240.0),
        min_length=1,
        description="Half-lives by which a shopper's own items fade; their shares are learnt",
    )
    gap_buckets: int = Field(
        24, ge=2, le=100, description="Buckets of pauses, four a power of e; the last is open"
    )
    word_buckets: int = Field(
        1 << 14, ge=2, le=1 << 24, description="Rows of the table that words are hashed into"
    )
    word_dim: int = Field(64, ge=1, le=1024, description="Width of a word's embedding")
    unseen_popularity: float = Field(
        -5.0,
        le=0,
        description="Log popularity of items that nobody has touched; others start as far below "
        "the logarithm of their events",
    )
    max_sessions: int = Field(128, ge=2, le=4096, description="Latest sessions read of a shopper")
    epochs: int = Field(8, ge=1, le=1000, description="Passes over the events before the first cut")
    refresh_epochs: int = Field(
        2, ge=0, le=1000, description="Passes over what is new at each later cut"
    )
    lr: float = Field(0.005, gt=0, le=1, description="Highest learning rate")
    refresh_lr_share: float = Field(
        0.3, gt=0, le=1, description="Highest learning rate at later cuts, as a share of lr"
    )
    moment_share: float = Field(
        0.3, gt=0, le=1, description="Share of the moments between sessions learnt from in a pass"
    )
    positives: int = Field(16, ge=1, le=256, description="Wanted items drawn for each moment")
    negatives: int = Field(
        2048, ge=1, le=100_000, description="Negatives shared by a batch; all items if fewer"
    )
    batch_sessions: int = Field(
        4096, ge=64, le=1_000_000, description="Sessions in a batch, padding counted"
    )
    length_noise: float = Field(
        0.1, ge=0, le=10, description="How much histories of unlike lengths mix in a batch"
    )

    @model_validator(mode="after")
    def _heads_divide_width(self) -> "BehaviourParams":
        if self.width % self.heads:
            raise ValueError(f"behaviour.heads {self.heads} must divide width {self.width}")
        return self


TOWER = Tower(
    name="behaviour",
    params=BehaviourParams,
    train="components.shop_ranking.behaviour_pretraining.component",
    encode="components.shop_ranking.engine.towers.encoding:histories",
    reason="shoppers who chose {title} chose this too",
    place=1,
)
