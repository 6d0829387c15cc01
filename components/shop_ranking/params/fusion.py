"""Params of the fusion: its candidates, and how each method is fitted."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from components.platform.params.section import Section
from components.shop_ranking.discovery import METHODS

if TYPE_CHECKING:
    FusionMethod = str
else:
    FusionMethod = Literal[tuple(METHODS)]
Rate = Annotated[float, Field(gt=0, le=1)]


class WeightedAverageParams(Section):
    """Search of the weights on the simplex."""

    draws: int = Field(24, ge=1, le=10_000, description="Weighted average: weights drawn a round")
    rounds: int = Field(
        3, ge=1, le=20, description="Weighted average: rounds, each closer to the best so far"
    )
    shoppers: int = Field(
        600, ge=1, description="Weighted average: shoppers of the last fit cut that tell weights"
    )
    narrowing: float = Field(
        4.0, ge=1, le=100, description="Weighted average: how much closer each round's draws lie"
    )
    least_concentration: float = Field(
        0.3, gt=0, le=100, description="Weighted average: what draws give a signal without weight"
    )


class StackingParams(Section):
    """Boosted trees over scores and features; the values are LightGBM's."""

    trees: tuple[Annotated[int, Field(ge=1, le=5000)], ...] = Field(
        (40, 80, 120), min_length=1, description="Stacking: numbers of trees tried on validation"
    )
    patience: int = Field(
        1, ge=1, le=100, description="Stacking: numbers of trees in a row no better that end trying"
    )
    learning_rate: float = Field(0.06, gt=0, le=1, description="Stacking: weight of each tree")
    leaves: int = Field(
        31, ge=2, le=32, description="Stacking: leaves of a tree; the server walks up to 32"
    )
    leaf_rows: int = Field(
        100, ge=1, description="Stacking: rows of a leaf at least; fewer where the rows are few"
    )
    leaf_parts: int = Field(
        200, ge=1, description="Stacking: of few rows a leaf has one part of so many at least"
    )
    fewest_leaf_rows: int = Field(
        5, ge=1, description="Stacking: rows of a leaf at least, however few there are"
    )
    feature_share: float = Field(
        0.4, gt=0, le=1, description="Stacking: share of the features that a tree may use"
    )
    row_share: float = Field(
        0.7, gt=0, le=1, description="Stacking: share of the rows that a tree is grown on"
    )
    l2: float = Field(5.0, ge=0, description="Stacking: L2 regularisation of the leaves")
    bins: int = Field(63, ge=2, le=255, description="Stacking: bins of a feature's values")
    scaling_shoppers: int = Field(
        500, ge=1, description="Stacking: shoppers whose rows put a head on the common scale"
    )


class GatedAttentionParams(Section):
    """The gated network and its training; parameter averaging trains the same network."""

    width: int = Field(32, ge=4, le=1024, description="Gated attention: width of a token")
    epochs: int = Field(4, ge=1, le=100, description="Gated attention: passes tried on validation")
    patience: int = Field(
        1, ge=1, le=100, description="Gated attention: passes in a row no better that end training"
    )
    least_steps: int = Field(
        60, ge=1, description="Gated attention: steps of a pass at least, where shoppers are few"
    )
    batch_shoppers: int = Field(32, ge=1, le=65_536, description="Gated attention: a batch")
    learning_rate: float = Field(
        0.002, gt=0, le=1, description="Gated attention: rate of the first pass"
    )
    rate_decay: float = Field(
        1.0, ge=0, le=10, description="Gated attention: pass n has that rate / n to this power"
    )
    weight_decay: float = Field(
        0.01, ge=0, le=10, description="Gated attention: decoupled weight decay of AdamW"
    )
    clip_norm: float = Field(
        1.0, gt=0, description="Gated attention: length that a step's gradient is cut to"
    )
    feature_limit: float = Field(
        6.0, gt=0, description="Gated attention: deviations from its mean that a feature counts"
    )
    modality_dropout: float = Field(
        0.2, ge=0, lt=1, description="Gated attention: chance that a shopper lacks a tower"
    )


class ParameterAveragingParams(Section):
    """The soup of fine-tunes of the gated network."""

    start_epochs: int = Field(
        2, ge=1, le=100, description="Parameter averaging: passes of the common start"
    )
    rate_factors: tuple[Rate, ...] = Field(
        (0.5, 0.3),
        min_length=1,
        description="Parameter averaging: rates of the fine-tunes, as shares of the network's",
    )


class IndexParams(Section):
    """How the items nearest to a vector are found: all are compared, or cells of them (faiss)."""

    exact_items: int = Field(
        50_000, ge=0, description="Nearest items: more vectors than this are searched by cells"
    )
    cell_sample: int = Field(
        40, ge=1, le=1000, description="Nearest items: vectors a cell that cells are found with"
    )
    cell_rounds: int = Field(5, ge=1, le=100, description="Nearest items: rounds of k-means")
    probed_cells: int = Field(
        16, ge=1, le=65_536, description="Nearest items: cells that a search looks into"
    )


class RowParams(Section):
    """What the features of a (shopper, item) row are made with."""

    prior_gaps: float = Field(
        1.5, gt=0, le=100, description="Gaps of a shopper that an item's mean gap is worth"
    )
    default_gap_days: float = Field(
        60.0, gt=0, le=3650, description="Days between two purchases where an item has no mean gap"
    )
    recent_items: int = Field(
        10, ge=0, le=1000, description="Latest items of a shopper that a candidate is compared with"
    )


class FusionParams(Section):
    """How the towers become one ranker."""

    method: FusionMethod | Literal["best"] = Field(
        "best", description="Method of fusion that is registered; best = best on validation"
    )
    only: FusionMethod | None = Field(
        None, description="Method that is fitted alone and registered; null fits and compares all"
    )
    new_candidates: int = Field(
        30, ge=1, le=1000, description="Items never bought before that each source proposes"
    )
    bought_candidates: int = Field(
        60, ge=0, le=10000, description="Items bought before that are ranked by features"
    )
    category_items: int = Field(
        128, ge=1, le=10_000, description="Most popular items of a category that may be proposed"
    )
    index: IndexParams = IndexParams()
    rows: RowParams = RowParams()
    history_half_life_items: float = Field(
        10, gt=0, description="The n-th latest item of a stranger counts 2^(-n / this)"
    )
    calibration_ridge: float = Field(
        0.001, gt=0, description="L2 regularisation of the log-odds that put scores on one scale"
    )
    least_slope: float = Field(
        0.001, gt=0, le=1, description="Least log-odds that a deviation of a score is worth"
    )
    weighted_average: WeightedAverageParams = WeightedAverageParams()
    stacking: StackingParams = StackingParams()
    gated_attention: GatedAttentionParams = GatedAttentionParams()
    parameter_averaging: ParameterAveragingParams = ParameterAveragingParams()


DEFAULTS = FusionParams()  # of a fusion that is loaded, which is never fitted again
