"""What shoppers do: visits, searches, impressions, clicks, purchases of taste and of habit."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from components.shop_ranking.data_ingestion.simulator.catalogue import NO_WORD, Catalogue
from components.shop_ranking.data_ingestion.simulator.shoppers import (
    APPEAL_WEIGHT,
    CYCLE_NOISE,
    REBUY_SHARE,
    Truth,
)
from components.shop_ranking.params import SimulationParams

SLATE = 12  # items shown a visit
SEARCH_SHARE = 0.5  # visits that start with a query; the others look at recommendations
CLICK_THRESHOLD = 4.5  # utility at which every second examined item is clicked
BUY_SHARE = 0.6  # of clicks
POLICY_TASTE, POLICY_APPEAL = 0.5, 0.5  # what the shop's present ranker knows of either
PROMOTION = 0.4  # utility of a discount
VISITS_A_CHUNK = 2000  # bounds memory: visits x items floats


@dataclass(frozen=True)
class Visits:
    """One row a visit, ordered by shopper and time; V visits."""

    user: np.ndarray
    day: np.ndarray
    second: np.ndarray  # of the day
    query: np.ndarray  # str, "" for a visit without a search


@dataclass(frozen=True)
class Shown:
    """One row an impression; M impressions."""

    visit: np.ndarray
    item: np.ndarray
    position: np.ndarray  # 0 is the top
    propensity: np.ndarray  # P(the shop puts this item here | the items above it)
    clicked: np.ndarray
    bought: np.ndarray


def make_visits(
    truth: Truth, catalogue: Catalogue, params: SimulationParams, rng: np.random.Generator
) -> Visits:
    """Draw at most one visit a shopper and day; half of them start with a search.

    Two searches of three name a word the shopper likes, the others a group.
    """
    come = rng.random((params.shoppers, params.days)) < truth.visits_a_day[:, None]
    come &= np.arange(params.days) >= truth.joined[:, None]
    user, day = np.nonzero(come)
    count = len(user)
    taste = _word_taste(truth, catalogue)[user] + rng.gumbel(size=(count, len(catalogue.words)))
    named = np.array(catalogue.words)[taste.argmax(1)]
    group = np.array(catalogue.groups)[rng.integers(0, len(catalogue.groups), count)]
    query = np.where(rng.random(count) < 2 / 3, named, group)
    searches = (rng.random(count) < SEARCH_SHARE) & (query != NO_WORD)
    return Visits(
        user, day, rng.integers(8 * 3600, 21 * 3600, count), np.where(searches, query, "")
    )


def _word_taste(truth: Truth, catalogue: Catalogue) -> np.ndarray:
    """Return each shopper's taste for each word, (U, words); -inf for a word no title has."""
    taste = np.full((len(truth.user_ids), len(catalogue.words)), -np.inf)
    taste[:, catalogue.word_of] = truth.text
    return taste


def show(
    visits: Visits,
    truth: Truth,
    catalogue: Catalogue,
    promoted: np.ndarray,
    rng: np.random.Generator,
) -> Shown:
    """Fill the slates, then let shoppers examine, click and buy; `promoted` is (weeks, I) bool.

    The shop's ranker is a Plackett-Luce policy over appeal and a dim view of the shopper's taste;
    an item at position p is examined with probability 1 / (1 + p / 8), whatever it is.
    """
    taste = truth.text + truth.picture + APPEAL_WEIGHT * truth.appeal
    parts = [
        _show_chunk(
            rows,
            visits=visits,
            truth=truth,
            catalogue=catalogue,
            taste=taste,
            promoted=promoted,
            rng=rng,
        )
        for rows in _chunks(len(visits.user))
    ]
    shown = Shown(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    return replace(shown, bought=_seek_variety(visits, shown, len(truth.item_ids), rng))


def _seek_variety(visits: Visits, shown: Shown, items: int, rng: np.random.Generator) -> np.ndarray:
    """Turn down most repeated buys by taste: one candle of a kind is enough for a while."""
    rows = np.flatnonzero(shown.bought)  # in time order within a shopper
    pair = visits.user[shown.visit[rows]] * items + shown.item[rows]
    _, first = np.unique(pair, return_index=True)
    again = np.ones(len(rows), bool)
    again[first] = False
    bought = shown.bought.copy()
    bought[rows[again & (rng.random(len(rows)) >= REBUY_SHARE)]] = False
    return bought


def with_tasted(truth: Truth, visits: Visits, shown: Shown) -> Truth:
    """Return the truth with the day each item was first bought by taste."""
    rows = np.flatnonzero(shown.bought)
    tasted = np.full(truth.text.shape, np.inf, np.float32)
    place = (visits.user[shown.visit[rows]], shown.item[rows])
    np.minimum.at(tasted, place, visits.day[shown.visit[rows]].astype(np.float32))
    return replace(truth, tasted=tasted)


def _chunks(count: int) -> Iterator[np.ndarray]:
    for start in range(0, count, VISITS_A_CHUNK):
        yield np.arange(start, min(start + VISITS_A_CHUNK, count))


def _show_chunk(
    rows: np.ndarray,
    *,
    visits: Visits,
    truth: Truth,
    catalogue: Catalogue,
    taste: np.ndarray,
    promoted: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, ...]:
    user, day = visits.user[rows], visits.day[rows]
    score_VI = POLICY_TASTE * taste[user] + POLICY_APPEAL * truth.appeal
    allowed = (catalogue.launched <= day[:, None]) & _retrievable(visits.query[rows], catalogue)
    score_VI = np.where(allowed, score_VI, -np.inf)
    drawn = score_VI + rng.gumbel(size=score_VI.shape)
    item_VS = np.argsort(-drawn, axis=1, kind="stable")[:, :SLATE]
    line, place = np.arange(len(rows))[:, None], np.arange(item_VS.shape[1])
    weight_VI = np.exp(score_VI)
    weight_VS = weight_VI[line, item_VS]
    above = np.cumsum(weight_VS, 1) - weight_VS
    rest = np.maximum(weight_VI.sum(1, keepdims=True) - above, 1e-12)
    propensity = np.minimum(weight_VS / rest, 1.0)
    utility = taste[user[:, None], item_VS] + PROMOTION * promoted[day[:, None] // 7, item_VS]
    clicked, bought = react(utility, rng)
    kept = allowed[line, item_VS]
    visit = np.broadcast_to(rows[:, None], item_VS.shape)
    position = np.broadcast_to(place, item_VS.shape)
    columns = (visit, item_VS, position, propensity, clicked, bought)
    return tuple(column[kept] for column in columns)


def react(utility_VS: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return what shoppers click and what they buy of slates with these utilities, (V, S) bool."""
    place = np.arange(utility_VS.shape[1])
    examined = rng.random(utility_VS.shape) < 1 / (1 + place / 8)
    liked = rng.random(utility_VS.shape) < 1 / (1 + np.exp(CLICK_THRESHOLD - utility_VS))
    clicked = examined & liked
    return clicked, clicked & (rng.random(utility_VS.shape) < BUY_SHARE)


def _retrievable(query: np.ndarray, catalogue: Catalogue) -> np.ndarray:
    """Return which items the shop's search finds for each query, (V, I); all without a query."""
    word = np.array(catalogue.words)[catalogue.word_of]
    group = np.array(catalogue.groups)[catalogue.group_of]
    asked = query[:, None]
    return (asked == "") | (((asked == word) | (asked == group)) & catalogue.findable)


def habit_buys(
    visits: Visits, truth: Truth, params: SimulationParams, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return (visit, item) of every habit bought: at the first visit on or after it falls due."""
    user, item = np.nonzero(np.isfinite(truth.cycle))
    cycle, phase = truth.cycle[user, item], truth.phase[user, item]
    most = int(np.ceil(params.days / cycle.min())) + 1 if len(cycle) else 1
    noise = CYCLE_NOISE * cycle[:, None] * rng.normal(size=(len(cycle), most))
    due = phase[:, None] + np.arange(most) * cycle[:, None] + noise
    pair, _ = np.nonzero((due >= 0) & (due < params.days))
    days = due[(due >= 0) & (due < params.days)]
    key = visits.user * params.days + visits.day  # ascending
    visit = np.searchsorted(key, user[pair] * params.days + np.ceil(days))
    same = (visit < len(key)) & (visits.user[np.minimum(visit, len(key) - 1)] == user[pair])
    pairs = np.unique(np.stack([visit[same], item[pair][same]], 1), axis=0)
    return pairs[:, 0], pairs[:, 1]
