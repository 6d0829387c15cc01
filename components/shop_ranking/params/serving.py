"""Params of what the server shows: its rows, its search, and the sponsored products."""

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
    beside_candidates: int = Field(
        50, ge=1, le=1000, description="Items that each source proposes beside an item or a basket"
    )
    diversity_pool: int = Field(
        3, ge=1, le=20, description="A row of n is made less alike out of the first so many n"
    )
    reason_history: int = Field(
        50, ge=1, le=10_000, description="Latest items of a shopper that an explanation looks at"
    )
    reasons: int = Field(3, ge=1, le=20, description="Items that an explanation names, at most")


class SearchParams(Section):
    """What words and towers find, before the lists become one order."""

    matched: int = Field(1000, ge=1, le=100_000, description="Items that the words find, at most")
    nearest: int = Field(100, ge=1, le=10_000, description="Items that a tower finds")
    title_weight: int = Field(3, ge=0, le=20, description="Times that a word of the title counts")
    brand_weight: int = Field(2, ge=0, le=20, description="Times that a word of the brand counts")
    category_weight: int = Field(
        1, ge=0, le=20, description="Times that a word of the category counts"
    )
    text_weight: int = Field(
        1, ge=0, le=20, description="Times that a word of the description counts"
    )
    bm25_k1: float = Field(
        1.5, ge=0, le=10, description="BM25: how soon a word said again counts no more"
    )
    bm25_b: Share = Field(0.75, description="BM25: how much a long text is held against its words")
    corrected_letters: int = Field(
        4, ge=2, le=50, description="Shortest word that is corrected; twice as long, by two slips"
    )
    nearest_words: int = Field(
        5, ge=1, le=100, description="Nearest known words, of which the most used one is taken"
    )


class AdsParams(Section):
    """Who may be shown for money, what a click costs, and how budgets are spread over a day."""

    depth: int = Field(
        100, ge=1, le=100, description="An ad is among the so many best answers for this shopper"
    )
    reserve: float = Field(
        0.01, gt=0, description="Least that a click costs; a lower bid does not take part"
    )
    pacing_step: float = Field(
        0.1, gt=0, lt=1, description="Share that participation rises or falls by in a minute"
    )
    pacing_begin: float = Field(
        0.1, gt=0, le=1, description="Probability of taking part at the start of a day"
    )
    pacing_least: float = Field(0.001, gt=0, le=1, description="Least probability of taking part")
    offers: int = Field(
        200_000,
        ge=1,
        le=100_000_000,
        description="Latest impressions whose clicks are charged; older ones click for nothing",
    )
    prior_click_rate: float = Field(
        0.02, gt=0, le=1, description="Clicks an impression at position 1 while none is calibrated"
    )
