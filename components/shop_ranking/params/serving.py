"""Params of how the server orders what it shows."""

from typing import Literal

from pydantic import Field

from components.platform.params.section import Section, Share


class ServingParams(Section):
    """How the server orders what it shows."""

    exploration: Share = Field(
        0.05, description="Probability that a slot is randomised; its propensity is logged"
    )
    exploration_reach: int = Field(
        10, ge=1, le=100, description="How far behind a slot its random substitute may stand"
    )
    search_fusion: Literal["reciprocal-ranks", "weighted-sum"] = Field(
        "reciprocal-ranks", description="How word matches and the text tower become one order"
    )
    lexical_weight: Share = Field(
        0.5, description="Weight of word matches; the text tower has the rest"
    )
    personal_weight: Share = Field(
        0.5, description="Weight of the fused model's order beside an answer's relevance, 1"
    )
    personal_first: int = Field(
        100, ge=0, le=1000, description="How many of the most relevant items it may reorder"
    )
