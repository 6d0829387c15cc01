"""Auction, pacing, charging and calibration, each with an answer known beforehand."""

import itertools
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.platform import schemas, storage
from components.platform.feedback.click_model import ClickModel, fit
from components.platform.params.loop import FeedbackParams
from components.shop_ranking.ads.ads import Ads
from components.shop_ranking.ads.auction import Bidder, auction, place_probabilities
from components.shop_ranking.ads.campaigns import Campaign, simulated
from components.shop_ranking.ads.pacing import Pacer, planned
from components.shop_ranking.ads.relevance import Scored
from components.shop_ranking.data_ingestion.simulator.catalogue import rendered
from components.shop_ranking.data_ingestion.simulator.shoppers import APPEAL_WEIGHT, make_shoppers
from components.shop_ranking.data_ingestion.simulator.visits import make_visits, show
from components.shop_ranking.params import AdsParams, SimulationParams
from components.shop_ranking.serving.api import AdsRequest

PARAMS = FeedbackParams()
RESERVE = AdsParams().reserve
NOON = datetime(2017, 11, 5, 12, tzinfo=UTC)
BIDDERS = [  # pCTR x bid: .10, .06, .04, .02
    Bidder("b", "two", 1.0, 1.0, 0.2, 0.30, 1.0),
    Bidder("a", "one", 1.0, 1.0, 0.1, 1.00, 1.0),
    Bidder("c", "three", 1.0, 1.0, 0.05, 0.80, 1.0),
    Bidder("d", "four", 1.0, 1.0, 0.01, 2.00, 1.0),
]


def campaign(name: str = "c", items: tuple[str, ...] = ("i",), **values: object) -> Campaign:
    return Campaign(
        **{"campaign_id": name, "item_ids": items, "bid": 0.5, "daily_budget": 10.0} | values
    )


def test_each_slot_pays_what_would_just_have_kept_it():
    won = auction(BIDDERS, [True] * 4, 3, RESERVE)
    assert [slot.bidder.campaign_id for slot in won] == ["a", "b", "c"]
    # .06/.1, .04/.2, .02/.05
    assert [slot.price for slot in won] == pytest.approx([0.6, 0.2, 0.4])


def test_a_throttled_bidder_neither_wins_nor_sets_a_price():
    won = auction(BIDDERS, [False, True, False, True], 3, RESERVE)
    assert [slot.bidder.campaign_id for slot in won] == ["a", "d"]
    assert [slot.price for slot in won] == pytest.approx([0.2, RESERVE])  # .02/.1, then nobody


bidders = st.builds(
    Bidder,
    campaign_id=st.uuids().map(str),
    item_id=st.just("i"),
    score=st.just(0.0),
    fused=st.just(0.0),
    pctr=st.floats(1e-4, 1),
    bid=st.floats(0.001, 100),
    participation=st.floats(0.01, 1),
)


@given(st.lists(bidders, max_size=8), st.integers(1, 10))
def test_nobody_pays_more_than_the_bid_or_less_than_the_reserve(asked, slots):
    won = auction(asked, [True] * len(asked), slots, RESERVE)
    assert len(won) == min(slots, sum(bidder.bid >= RESERVE for bidder in asked))
    for slot in won:
        assert RESERVE <= slot.price <= slot.bidder.bid


def test_places_have_the_probability_of_every_way_the_coins_can_fall():
    p, slots = np.array([0.9, 0.2, 0.5, 0.7]), 2
    expected = np.zeros((4, slots))
    for coins in itertools.product([0, 1], repeat=4):
        chance = np.prod(np.where(coins, p, 1 - p))
        for slot, ranked in enumerate(np.flatnonzero(coins)[:slots]):
            expected[ranked, slot] += chance
    assert place_probabilities(p, slots) == pytest.approx(expected)


def test_spending_follows_the_day_and_stops_within_one_click_of_the_budget():
    """Even requests for a hundred times the budget: unpaced, it is gone by 00:15."""
    rng = np.random.default_rng(0)
    paced, pacer = campaign(daily_budget=50.0), Pacer()
    start = datetime(2017, 11, 5, tzinfo=UTC)
    spent = []
    for second in np.linspace(0, 86_399, 20_000):
        now = start + timedelta(seconds=float(second))
        if rng.random() < pacer.probability(paced, now) and rng.random() < 0.5:
            pacer.spend(0.5, now)
        spent.append((planned(paced, now), pacer.spent / 50))
    plan, share = np.array(spent).T
    assert np.abs(plan - share)[2000:].max() < 0.1
    assert 0.95 <= share[-1] <= 1.01


def test_a_day_is_as_long_as_the_campaign_runs_in_it():
    late = campaign(starts_at=NOON, ends_at=NOON + timedelta(hours=4))
    assert planned(late, NOON + timedelta(hours=1)) == pytest.approx(0.25)
    assert planned(campaign(), NOON) == pytest.approx(0.5)


def click(impression: str, item: str, event_id: str = "e", at: datetime = NOON) -> dict:
    return {
        "event_id": event_id,
        "event_type": "click",
        "impression_id": impression,
        "item_id": item,
        "price": None,
        "campaign_id": None,
        "received_at": at.isoformat(),
    }


def shown(impression: str, item: str, price: float, at: datetime = NOON) -> dict:
    seen = click(impression, item, f"{impression}:1", at)
    return seen | {"event_type": "impression", "campaign_id": "c", "price": price}


def test_the_budget_is_never_exceeded_by_more_than_one_click_whatever_was_offered(tmp_path: Path):
    ads = Ads(tmp_path)
    ads.replace([campaign(daily_budget=1.0)])
    log = [shown(f"i{n}", "i", 0.3) for n in range(10)]
    ads.observe(log)
    for n in range(10):  # ten offers are out, all are clicked
        charged = ads.enrich([click(f"i{n}", "i", str(n))], NOON)
        ads.observe(charged)
        log += charged
    costs = [event["price"] for event in log if event["event_type"] == "click"]
    assert costs == [0.3] * 4 + [0.0] * 6
    assert ads.spent("c") == pytest.approx(1.2)
    again = Ads(tmp_path)  # after a restart, from the log, read twice as after a crash
    again.observe(log)
    again.observe(log)
    assert again.spent("c") == pytest.approx(1.2)
    assert again.enrich([click("i9", "i", "x")], NOON)[0]["price"] == 0.0
    tomorrow = NOON + timedelta(days=1)
    assert again.enrich([click("i9", "i", "y", tomorrow)], tomorrow)[0]["price"] == 0.3


def test_a_batch_cannot_outrun_the_budget_either(tmp_path: Path):
    ads = Ads(tmp_path)
    ads.replace([campaign(daily_budget=1.0)])
    ads.observe([shown(f"i{n}", "i", 0.3) for n in range(10)])
    charged = ads.enrich([click(f"i{n}", "i", str(n)) for n in range(10)], NOON)
    assert sum(click["price"] for click in charged) == pytest.approx(1.2)


def test_one_offer_is_charged_once_and_a_click_on_anything_else_never(tmp_path: Path):
    ads = Ads(tmp_path)
    ads.replace([campaign()])
    ads.observe([shown("imp", "i", 0.3)])
    batch = [click("imp", "i", "1"), click("imp", "i", "2"), click("imp", "other", "3")]
    first = ads.enrich(batch, NOON)
    assert [event["price"] for event in first] == [0.3, 0.0, None]
    assert [event["campaign_id"] for event in first] == ["c", "c", None]
    ads.observe(first)
    assert ads.enrich([click("imp", "i", "4")], NOON)[0]["price"] == 0.0
    assert ads.spent("c") == pytest.approx(0.3)


def test_the_auction_keeps_to_dates_relevance_and_what_is_shown_beside_it(tmp_path: Path):
    ads = Ads(tmp_path)
    ads.replace(
        [
            campaign("rich", ("a", "b"), bid=1.0),
            campaign("poor", ("b", "c"), bid=0.1),
            campaign("over", ("d",), ends_at=NOON),
            campaign("irrelevant", ("z",)),
        ]
    )
    for pacer in ("rich", "poor"):
        ads.pacer(pacer).probability(campaign(pacer), NOON)
        ads.pacer(pacer).participation = 1.0
    scores = {"a": 1.0, "b": 3.0, "c": 2.0, "d": 9.0}
    scores = {item: Scored(score, score) for item, score in scores.items()}
    request = AdsRequest(slots=4)
    _, won = ads.choose(request, scores, "v", NOON)
    # b is wanted twice and goes to the higher bid; d has ended, z is below the floor.
    assert [(w.bidder.campaign_id, w.bidder.item_id) for w in won] == [("rich", "b"), ("poor", "c")]
    assert [w.propensity for w in won] == [1.0, 1.0]
    _, won = ads.choose(AdsRequest(slots=4, shown=("b", "c")), scores, "v", NOON)
    assert [(w.bidder.campaign_id, w.bidder.item_id) for w in won] == [("rich", "a")]


def test_logged_propensities_are_the_frequencies_of_the_slots(tmp_path: Path):
    ads = Ads(tmp_path)
    ads.replace([campaign("x", ("a",), bid=0.9), campaign("y", ("b",), bid=0.5)])
    for name, p in (("x", 0.6), ("y", 0.3)):
        ads.pacer(name).probability(campaign(name), NOON)
        ads.pacer(name).participation = p
    seen: dict[tuple[str, int], list[float]] = {}
    same = dict.fromkeys("ab", Scored(1.0, 1.0))
    for _ in range(4000):
        _, won = ads.choose(AdsRequest(slots=2), same, "v", NOON)
        for slot, winner in enumerate(won):
            seen.setdefault((winner.bidder.item_id, slot), []).append(winner.propensity)
    said = {key: p[0] for key, p in seen.items()}
    assert said == pytest.approx({("a", 0): 0.6, ("b", 0): 0.12, ("b", 1): 0.18})
    for key, p in seen.items():
        assert len(p) / 4000 == pytest.approx(said[key], abs=0.03)


def test_without_enough_clicks_there_is_a_prior_that_says_so(tmp_path: Path):
    clicks = PARAMS.min_clicks - 1
    few = np.r_[np.ones(clicks), np.zeros(1000 - clicks)]
    assert fit(*np.ones((4, 1000)), few, PARAMS) is None
    told = AdsParams(prior_click_rate=0.02)
    stand_in = Ads(tmp_path, lambda: told).click_models.of("any/1")
    assert not stand_in.calibrated
    at = np.array([1.0, 3.0])
    assert stand_in.probability(np.array([-5.0, 9.0]), at, at, at) == pytest.approx([0.02, 0.01])


def test_the_click_model_finds_the_probabilities_that_made_the_clicks():
    """Rows ordered by log-odds, searches by sums of reciprocal ranks: two scales, two slopes."""
    rng = np.random.default_rng(1)
    n = 40_000
    position, (search, stranger, ad) = (
        rng.integers(1, 11, n).astype(float),
        rng.random((3, n)) < 0.4,
    )
    fused, relevance = rng.normal(3, 2, n), rng.uniform(0.003, 0.016, n)
    fused[search & stranger] = np.nan  # nobody's taste is known there
    score = np.where(search, relevance, fused)
    logit = -2 + 0.5 * np.nan_to_num(fused - 3) - 0.4 * np.log2(1 + position) - 0.3 * ad
    logit += np.where(search, 0.6 + 250 * (relevance - 0.0095), 0.0)
    truth = 1 / (1 + np.exp(-logit))
    clicked = (rng.random(n) < truth).astype(float)
    model = fit(score, fused, position, ad, clicked, PARAMS)
    assert model is not None
    assert model.calibrated
    predicted = model.probability(score, fused, position, ad)
    assert np.abs(predicted - truth).mean() < 0.01
    assert calibration_error(predicted, clicked) < 0.01
    for kind in (search & stranger, search & ~stranger, ~search):
        assert np.abs(predicted - truth)[kind].mean() < 0.015
    assert calibration_error(predicted * 2, clicked) > 0.05  # and the measure would notice
    assert ClickModel.from_json(model.as_json()) == model


def calibration_error(probability: np.ndarray, clicked: np.ndarray, bins: int = 10) -> float:
    """Return the expected calibration error over bins of equal size (Naeini et al. 2015)."""
    groups = np.array_split(np.argsort(probability, kind="stable"), bins)
    gaps = [abs(probability[g].mean() - clicked[g].mean()) * len(g) for g in groups if len(g)]
    return float(sum(gaps) / len(probability))


def test_click_models_of_another_layout_leave_those_before_and_are_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The thread that reads them goes on, and takes those that are right again."""
    first, second = (ClickModel((0.1,) * 7, 0.0, 1.0, 0.0, 1.0, 100, n) for n in (10, 20))
    stored = {"v": first.as_json()}
    monkeypatch.setattr(storage, "stored", lambda key: [storage.Stored(key, 1, NOON, "etag")])
    monkeypatch.setattr(storage, "get", lambda key: json.dumps(stored).encode())
    models = Ads(tmp_path).click_models
    models.refresh()
    assert models.of("v") == first
    for layout in ({"slope": 1.0}, {"weights": [0.1], "slope": 1.0}, [0.1]):
        stored["v"] = layout
        models.refresh()
        models.refresh()
        assert models.of("v") == first
        (said,) = capsys.readouterr().out.splitlines()
        assert "stay with the click models read before: expected click models in feedback/" in said
    stored["v"] = second.as_json()
    models.refresh()
    assert models.of("v") == second
    assert capsys.readouterr().out == ""


def test_on_a_search_the_auction_knows_which_item_is_clicked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """True click shares of .05 and .5: the dearer bid loses where the click is rarer."""
    rng = np.random.default_rng(0)
    search = np.arange(8000) % 2 == 0
    good, home = rng.random(8000) < 0.5, rng.normal(0, 3, 8000)
    score = np.where(search, np.where(good, 0.016, 0.004), home)
    chance = np.where(search, np.where(good, 0.5, 0.05), 1 / (1 + np.exp(2 - 0.5 * home)))
    clicked = (rng.random(8000) < chance).astype(float)
    fused, ones = np.where(search, np.nan, home), np.ones(8000)
    ads = Ads(tmp_path)
    models = json.dumps({"v": fit(score, fused, ones, ones, clicked, PARAMS).as_json()}).encode()
    monkeypatch.setattr(
        storage, "stored", lambda key: [storage.Stored(key, len(models), NOON, "etag")]
    )
    monkeypatch.setattr(storage, "get", lambda key: models)
    ads.click_models.refresh()
    ads.replace([campaign("dear", ("bad",), bid=0.9), campaign("cheap", ("good",), bid=0.3)])
    for name in ("dear", "cheap"):
        ads.pacer(name).probability(campaign(name), NOON)
        ads.pacer(name).participation = 1.0
    relevant = {"good": Scored(0.016, np.nan), "bad": Scored(0.004, np.nan)}
    _, won = ads.choose(AdsRequest(surface="search", query="q"), relevant, "v", NOON)
    assert [slot.bidder.campaign_id for slot in won] == ["cheap", "dear"]
    assert [slot.bidder.pctr for slot in won] == pytest.approx([0.5, 0.05], abs=0.03)
    assert won[0].price == pytest.approx(0.9 * 0.05 / 0.5, rel=0.3)


def test_it_is_calibrated_on_days_of_the_simulated_shop_that_it_has_not_seen():
    """Examination by position, clicks by utility: not a logistic model, as in any real shop."""
    size = SimulationParams(shoppers=150, items=100, days=80)
    rng = np.random.default_rng(0)
    catalogue = rendered(size, rng)
    truth = make_shoppers(catalogue, size, rng)
    visits = make_visits(truth, catalogue, size, rng)
    shown = show(visits, truth, catalogue, np.zeros((size.days // 7 + 1, 100), bool), rng)
    user, day = visits.user[shown.visit], visits.day[shown.visit]
    score = (truth.text + truth.picture + APPEAL_WEIGHT * truth.appeal)[user, shown.item]
    position, clicked = shown.position + 1.0, shown.clicked.astype(float)
    zeros, early = np.zeros(len(score)), day < 50
    model = fit(*(x[early] for x in (score, score, position, zeros, clicked)), PARAMS)
    assert model is not None
    late = model.probability(*(x[~early] for x in (score, score, position, zeros)))
    error = calibration_error(late, clicked[~early])
    print(f"expected calibration error {error:.4f}, clicked {clicked[~early].mean():.4f}")
    assert model.calibrated
    assert error < 0.03
    assert late[clicked[~early] > 0].mean() > 1.3 * late[clicked[~early] == 0].mean()


def test_simulated_bids_are_named_so_and_always_the_same():
    table = pa.table(
        {
            "campaign_id": ["1", "2"],
            "item_ids": [["a"], []],
            "bid": [None, None],
            "daily_budget": [None, None],
            "starts_at": [NOON, None],
            "ends_at": [None, None],
        },
        schema=schemas.CAMPAIGNS,
    )
    (made,) = simulated(table)
    assert made.campaign_id == "simulated-1"
    assert 0.1 <= made.bid <= 1.0
    assert made.starts_at == NOON
    assert simulated(table) == [made]
    assert simulated(table, seed=1) != [made]
