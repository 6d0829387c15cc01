"""Shoppers with known tastes and habits: the truth that models are measured against."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from scipy.special import ndtr

from components.shop_ranking.data_ingestion.simulator.catalogue import Catalogue
from components.shop_ranking.params import SimulationParams

TEXT_WEIGHT, PICTURE_WEIGHT, APPEAL_WEIGHT, HABIT_WEIGHT = 2.0, 2.5, 0.5, 9.0
HABITS = 1.0  # mean number of items a shopper buys again and again
CYCLE_DAYS = (8.0, 60.0)  # shortest and longest pause between two buys of a habit
REBUY_SHARE = 0.1  # of wishes by taste for an item already bought that way that are followed
CYCLE_NOISE = 0.12  # standard deviation of a pause, as a share of the cycle


@dataclass(frozen=True)
class Truth:
    """What every shopper wants; U shoppers, I items. Never part of the contract's tables.

    utility = text + picture + behaviour, so whoever knows one part only cannot rank well.
    """

    user_ids: np.ndarray  # (U,) raw ids, before the keyed hash
    item_ids: np.ndarray  # (I,)
    text: np.ndarray  # (U, I) taste for the word in the title
    picture: np.ndarray  # (U, I) taste for what the picture shows
    appeal: np.ndarray  # (I,) liked by all, visible in behaviour only
    cycle: np.ndarray  # (U, I) days between two buys of a habit, inf for no habit
    phase: np.ndarray  # (U, I) day of the first buy of a habit
    tasted: np.ndarray  # (U, I) day an item was first bought by taste, inf for never
    visits_a_day: np.ndarray  # (U,)
    joined: np.ndarray  # (U,) first day of the shopper

    def parts(self, day: float, horizon: float) -> dict[str, np.ndarray]:
        """Return text, picture and behaviour, (U, I) each; habits due in [day, day + horizon)."""
        variety = np.where(self.tasted < day, np.log(REBUY_SHARE), 0.0)
        habits = HABIT_WEIGHT * self.due(day, horizon)
        behaviour = APPEAL_WEIGHT * self.appeal + habits + variety
        return {"text": self.text, "picture": self.picture, "behaviour": behaviour}

    def utility(self, day: float, horizon: float) -> np.ndarray:
        """Return how much each shopper wants each item in the window, (U, I); higher is better."""
        return np.sum(list(self.parts(day, horizon).values()), axis=0)

    def due(self, day: float, horizon: float) -> np.ndarray:
        """Return the probability that a habit falls due within the window, (U, I).

        The buys of a habit lie at phase + k * cycle with noise of each its own.
        """
        habit = np.isfinite(self.cycle)
        cycle = np.where(habit, self.cycle, 1.0)
        first = np.maximum(np.ceil((day - self.phase) / cycle - 0.5), 0)
        missed = np.ones_like(cycle)
        for step in (-1, 0, 1):  # only the nearest buys can fall on either side of an edge
            number = first + step
            centre, spread = self.phase + number * cycle, CYCLE_NOISE * cycle
            inside = ndtr((day + horizon - centre) / spread) - ndtr((day - centre) / spread)
            missed *= 1 - np.where(number >= 0, inside, 0.0)
        return np.where(habit, 1 - missed, 0.0)

    def save(self, path: Path) -> None:
        """Write the truth as one .npz."""
        np.savez(path, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: Path) -> "Truth":
        """Read what `save` wrote."""
        with np.load(path) as stored:
            return cls(**{field.name: stored[field.name] for field in fields(cls)})


def make_shoppers(
    catalogue: Catalogue, params: SimulationParams, rng: np.random.Generator
) -> Truth:
    """Draw tastes for words and looks, habits for items, and how often each shopper comes."""
    count, n = params.shoppers, catalogue.products.num_rows
    word_taste = rng.normal(size=(count, len(catalogue.words)))
    looks = [rng.normal(size=(count, int(codes.max()) + 1)) for codes in catalogue.seen]
    picture = np.sum(
        [taste[:, codes] for taste, codes in zip(looks, catalogue.seen, strict=True)], 0
    )
    cycle, phase = _habits(catalogue, count, rng)
    late = rng.random(count) < 0.2
    return Truth(
        user_ids=np.array([f"sim-u-{user:05d}" for user in range(count)]),
        item_ids=np.array(catalogue.products["item_id"].to_pylist()),
        text=(TEXT_WEIGHT * word_taste[:, catalogue.word_of]).astype(np.float32),
        picture=(PICTURE_WEIGHT * picture / np.sqrt(len(looks))).astype(np.float32),
        appeal=rng.normal(size=n),
        cycle=cycle,
        phase=phase,
        tasted=np.full((count, n), np.inf, np.float32),
        visits_a_day=np.clip(rng.gamma(4.0, 0.075, count), 0.05, 0.9),
        joined=np.where(late, rng.integers(0, max(params.days * 3 // 4, 1), count), 0),
    )


def _habits(
    catalogue: Catalogue, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return (cycle, phase) of every pair: habits fall on any item sold from the first day on."""
    n = catalogue.products.num_rows
    wanted = np.clip(rng.poisson(HABITS, count), 1, 10)
    draw = np.where(catalogue.launched == 0, rng.random((count, n)), 2.0)
    place = draw.argsort(1).argsort(1)
    habit = (place < wanted[:, None]) & (draw < 2.0)
    shortest, longest = np.log(CYCLE_DAYS)
    cycle = np.where(habit, np.exp(rng.uniform(shortest, longest, (count, n))), np.inf)
    phase = np.where(habit, rng.random((count, n)) * np.where(habit, cycle, 1.0), 0.0)
    return cycle, phase
