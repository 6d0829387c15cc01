"""Behaviour: a causal Transformer over what shoppers did."""

from pydantic import Field, model_validator

from components.shop_ranking.towers.registration import Tower, TowerParams


class BehaviourParams(TowerParams):
    """Behaviour tower: causal Transformer over the shopper's sequence."""

    dim: int = Field(128, ge=8, le=1024, description="Width of item and shopper embeddings")
    width: int = Field(64, ge=8, le=1024, description="Width of the Transformer's states")
    layers: int = Field(2, ge=1, le=12, description="Layers of the Transformer")
    heads: int = Field(2, ge=1, le=16, description="Attention heads; a divisor of the width")
    dropout: float = Field(0.2, ge=0, lt=1, description="Dropout in the Transformer")
    max_sessions: int = Field(128, ge=2, le=4096, description="Latest sessions read of a shopper")
    epochs: int = Field(8, ge=1, le=1000, description="Passes over the events before the first cut")
    refresh_epochs: int = Field(
        2, ge=0, le=1000, description="Passes over what is new at each later cut"
    )
    lr: float = Field(0.005, gt=0, le=1, description="Highest learning rate")
    refresh_lr_share: float = Field(
        0.3, gt=0, le=1, description="Highest learning rate at later cuts, as a share of lr"
    )
    weight_decay: float = Field(0.01, ge=0, le=10, description="Decoupled weight decay of AdamW")
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
