"""Params of what happens once a model serves: feedback, answers, drift."""

from typing import Literal

from pydantic import Field

from components.platform.params.section import Section, Share


class FeedbackParams(Section):
    """What becomes of events that the server took."""

    attribution_hours: int = Field(
        24, ge=1, le=720, description="A click or purchase this long after an impression is its own"
    )
    click_model_days: int = Field(
        28, ge=1, le=365, description="Latest days that the probabilities of a click are fitted on"
    )
    min_effective_samples: int = Field(
        200,
        ge=30,
        le=1_000_000,
        description="Off-policy estimates of fewer effective samples conclude nothing",
    )
    judged_answers: int = Field(
        4000, ge=1, le=1_000_000, description="Logged answers that a challenger is asked again for"
    )


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


class DriftParams(Section):
    """What of a week counts as drift; see docs/drift.md."""

    reference_weeks: int = Field(12, ge=6, le=104, description="Weeks that a week is compared with")
    false_alarms: float = Field(
        0.05, gt=0, lt=1, description="Share of weeks without drift that may raise an alarm"
    )
    psi_floor: float = Field(
        0.02, ge=0, description="Population stability index below which nothing is an alarm"
    )
    distance_floor: float = Field(
        0.02, ge=0, description="Distance of mean item vectors below which nothing is an alarm"
    )
    share_floor: float = Field(
        0.01, ge=0, le=1, description="Share of bad rows below which nothing is an alarm"
    )
    quality_margin: Share = Field(
        0.10, description="Share of the reference's NDCG that may be lost without an alarm"
    )
    timezone: str = Field("UTC", description="Time zone of the shop, for weeks, weekdays and hours")
