"""Params of the baselines and of the evaluation."""

from typing import Annotated, Literal, get_args

from pydantic import Field

from components.platform.params.section import Section, Share

BaselineName = Literal[
    "popularity",
    "personal-frequency",
    "decayed-frequency",
    "tifu-knn",
    "item-knn",
    "ease",
    "als",
    "lambdamart",
]


Weight = Annotated[float, Field(ge=0)]


class BaselineParams(Section):
    """Simple methods every fused model has to beat."""

    ranked: tuple[BaselineName, ...] = Field(
        get_args(BaselineName),
        min_length=1,
        description="Baselines of the leaderboard; EASE weights are made whatever it names",
    )
    own_weights: tuple[Weight, ...] = Field(
        (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0),
        min_length=1,
        description="Weights of own purchases that EASE, ItemKNN and ALS are tried with on the "
        "cut before",
    )
    own_weight_shoppers: int = Field(
        600, ge=1, description="Shoppers, at most, that tell which of these weights is best"
    )
    purchase_scale: float = Field(
        10.0, gt=0, description="EASE, ALS: a purchase counts log(1 + this x its decay)"
    )
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
    lambdamart_learning_rate: float = Field(
        0.05, gt=0, le=1, description="LambdaMART: weight of each tree"
    )
    lambdamart_leaves: int = Field(31, ge=2, le=1024, description="LambdaMART: leaves of a tree")
    lambdamart_feature_share: float = Field(
        0.5, gt=0, le=1, description="LambdaMART: share of the features that a tree may use"
    )
    lambdamart_shopper_share: float = Field(
        0.5, gt=0, le=1, description="LambdaMART: share of a cut's shoppers that it learns from"
    )
    lambdamart_leaf_rows: int = Field(
        500, ge=1, description="LambdaMART: rows of a leaf at least; fewer where the rows are few"
    )
    lambdamart_least_leaves: int = Field(
        200, ge=1, description="LambdaMART: few rows are those that do not fill so many leaves"
    )
    lambdamart_new_items: int = Field(
        150, ge=1, description="LambdaMART: items never bought that are candidates a shopper"
    )


class EvaluationParams(Section):
    """Metrics and intervals."""

    k: int = Field(10, ge=1, le=100, description="Length of the ranked list that is measured")
    bootstrap_samples: int = Field(
        2000, ge=100, le=100_000, description="Bootstrap samples over shoppers"
    )
    head_share: Share = Field(
        0.5, description="The most popular items with this share of all sessions are the head"
    )
    timed_requests: int = Field(
        50, ge=1, le=100_000, description="Home pages that the gate asks each model for, and times"
    )
    new_shopper_sessions: int = Field(
        10, ge=1, description="Fewer sessions than this before the cut make a shopper new"
    )
