"""Params of what several trainings share: the learning rate over time, and whitening."""

from pydantic import Field

from components.platform.params.section import Section, Share


class ScheduleParams(Section):
    """Linear warm-up to the highest rate, cosine down to a share of it."""

    warmup_share: float = Field(
        0.05, ge=0, lt=1, description="Share of a training in which the rate rises to its highest"
    )
    final_rate_share: Share = Field(
        0.05, description="Rate at the end of a training, as a share of the highest"
    )
    clip_norm: float = Field(1.0, gt=0, description="Gradients are scaled down to this norm")


class WhiteningParams(Section):
    """How the vectors of a pretrained encoder are spread over all directions."""

    power: Share = Field(0.5, description="0 keeps the spectrum (PCA), 1 makes it flat")
    shrinkage: float = Field(
        0.01,
        gt=0,
        le=1,
        description="Share by which eigenvalues move to their mean: it bounds the gain of "
        "directions without data",
    )
