"""Params of what happens once a model serves: feedback and drift."""

from pydantic import Field

from components.platform.params.section import Section, Share


class FeedbackParams(Section):
    """Which events the server takes and keeps, and what becomes of them."""

    clock_skew_minutes: float = Field(
        5,
        ge=0,
        le=1440,
        description="An event this much later than the server's clock is a mistake: clocks differ",
    )
    oldest_event_days: int = Field(
        30, ge=1, le=3650, description="Older events are not taken: their partitions are settled"
    )
    live_events: int = Field(
        5000,
        ge=1,
        le=1_000_000,
        description="Latest events of a user since the training that the server answers with",
    )
    live_users: int = Field(
        200_000,
        ge=1,
        le=100_000_000,
        description="Latest active users whose events the server keeps; others are as of the "
        "training",
    )

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
    min_clicks: int = Field(
        200, ge=2, description="Fewer clicks, or impressions without one, fit no click model"
    )
    click_ridge: float = Field(
        0.001, gt=0, description="L2 regularisation of the probabilities of a click"
    )
    uncovered_share: Share = Field(
        0.05,
        description="Off-policy: share of what a policy shows that logs may lack beyond chance",
    )
    prior_impressions: float = Field(
        20.0, gt=0, description="Off-policy: impressions' worth of doubt in an item's click share"
    )
    judged_answers: int = Field(
        4000, ge=1, le=1_000_000, description="Logged answers that a challenger is asked again for"
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
    fewest_weeks: int = Field(
        6, ge=3, le=104, description="Reference weeks below which nothing but quality is judged"
    )
    fewest_labelled_weeks: int = Field(
        2, ge=1, le=104, description="Reference weeks below which quality is not judged"
    )
    rare_share: float = Field(
        0.001, ge=0, lt=1, description="Values with a smaller share of the reference are one value"
    )
    score_bins: int = Field(20, ge=2, le=1000, description="Bins that scores are counted in")
    timezone: str = Field("UTC", description="Time zone of the shop, for weeks, weekdays and hours")
