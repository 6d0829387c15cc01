"""Params of the data: where it comes from, and how it is cut."""

from datetime import date
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from components.platform.params.section import Section, Share
from components.shop_ranking.discovery import ADAPTERS

if TYPE_CHECKING:
    Dataset = str
else:  # a registered package holds no adapter
    Dataset = Literal[tuple(ADAPTERS)] if ADAPTERS else str
TargetEvent = Literal["view", "click", "add_to_cart", "purchase", "rating"]


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
    picture_pixels: int = Field(
        256, ge=32, le=4096, description="Longest side of a picture that is kept; others are shrunk"
    )
    picture_quality: int = Field(
        90, ge=1, le=95, description="JPEG quality of pictures that are shrunk"
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
    pair_basket_items: int = Field(
        100, ge=2, description="Pairs: sessions of more items say little of what belongs together"
    )
    pair_sessions: int = Field(
        3, ge=1, description="Pairs: sessions that have both items, at least"
    )
    pairs_per_item: int = Field(20, ge=1, description="Pairs: kept items beside an item")
    text_characters: int = Field(
        2000, ge=1, le=1_000_000, description="Characters of an item's text that are kept"
    )
    session_gap_minutes: int = Field(
        30,
        ge=1,
        le=10_080,
        description="A pause this long starts a session where the data names none",
    )
