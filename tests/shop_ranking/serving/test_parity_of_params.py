"""Whatever params a model was trained under, it is served under them: blocking."""

import shutil
from datetime import datetime, timedelta

import numpy as np
import pytest

from components.platform.application import Packages
from components.platform.files import write_json
from components.platform.serving.event_validation import record_of
from components.platform.serving.live_events import LiveEvents
from components.shop_ranking.engine.fusion import METHODS
from components.shop_ranking.engine.ranker import FusedRanker
from components.shop_ranking.engine.reading import read_cuts
from components.shop_ranking.engine.trained_with import TrainedWith
from components.shop_ranking.fusion_training.component import read_cut
from components.shop_ranking.params import Params
from components.shop_ranking.serving.champion import Champion
from tests.shop_ranking.serving.shop import user_ids
from tests.shop_ranking.serving.test_parity import TOLERANCE, done, summarised
from tests.world import tiny_params

PAUSES = (0, 4, 10, 45, 200)  # minutes after the first event of the visit
CASES = {
    "a gap of five minutes": ("stacking", {"preparation": {"session_gap_minutes": 5}}),
    "a gap of three hours and few candidates": (
        "stacking",
        {
            "preparation": {"session_gap_minutes": 180},
            "fusion": {"new_candidates": 7, "bought_candidates": 3},
        },
    ),
    "short half-lives": (
        "weighted-average",
        {
            "fusion": {"history_half_life_items": 2},
            "text": {"half_life_days": 3},
            "image": {"half_life_days": 9},
        },
    ),
    "ranks alone": ("rank-ensemble", {"fusion": {"new_candidates": 15}}),
    "a network": ("gated-attention", {"fusion": {"bought_candidates": 5}}),
}


@pytest.fixture(params=CASES)
def trained(request, packages, tiny_world, standins, tmp_path):
    """A champion refitted by one method under some params, and the same package read offline."""
    method, sections = CASES[request.param]
    params = tiny_params(**sections)
    towers = {name: standins[name] for name in ("behaviour", "text", "image")}
    *fit, last = (
        read_cut(params, tiny_world.prepared, towers, standins["baselines"], cut=cut)
        for cut in read_cuts(tiny_world.prepared)
    )
    ranker = tmp_path / "ranker"
    shutil.copytree(packages.folders["fused"], ranker)
    shutil.rmtree(ranker / "state")
    last.items.save(ranker / "state" / "items")
    last.shoppers.save(ranker / "state" / "shoppers")
    fusion = METHODS[method](params.seed, params.fusion)
    fusion.refit([cut.candidates for cut in fit])
    fusion.save(ranker / method)
    write_json({"method": method, **TrainedWith.of(params).values()}, ranker / "chosen.json")
    served = Champion.load(Packages("other/1", {"fused": ranker}), Params(), LiveEvents())
    return params, served, FusedRanker.load(ranker)


def test_scores_and_candidates_are_those_of_training(trained):
    params, champion, offline = trained
    moment = champion.as_of + timedelta(days=2.3)
    known = user_ids(champion, len(champion.shoppers.row))  # those with most history first
    users = [*known[:2], *known[-2:], "a stranger who buys"]
    for user in users:
        live = [
            record_of(event, moment + timedelta(days=1), params.feedback)
            for event in visit(user, moment, champion.catalogue.item_id[:5])
        ]
        champion.shoppers.live.accept(live)
        named = by_gap(live, params.preparation.session_gap_minutes)
        state = summarised(champion, offline, user, named, (moment + timedelta(days=1)).isoformat())
        shopper = champion.shoppers.of(live[0]["user_id"], (), moment + timedelta(days=1))
        assert np.array_equal(shopper.state.pairs, state.pairs, equal_nan=True)
        for tower, vectors in state.vectors.items():
            np.testing.assert_array_equal(shopper.state.vectors[tower], vectors)
        served, expected = champion.recommender.ranked(shopper), offline.ranked(state)[0]
        np.testing.assert_array_equal(np.sort(served.items), np.sort(expected.items))
        order = np.argsort(served.items), np.argsort(expected.items)
        difference = np.abs(served.scores[order[0]] - expected.scores[order[1]])
        assert difference.max() < TOLERANCE
        assert len(served.items) > 10


@pytest.mark.parametrize("length", [1, 4, 40])
def test_what_a_stranger_sent_counts_by_the_half_life_of_training(trained, length):
    params, champion, offline = trained
    items = champion.engine.popular[:length]
    sent = [champion.catalogue.item_id[row] for row in items.tolist()]
    shopper = champion.shoppers.of(None, sent, champion.as_of)
    half_life = params.fusion.history_half_life_items
    weights = 2.0 ** (-np.arange(len(items))[::-1] / half_life)  # the latest is the last
    for tower in ("text", "image"):
        vectors = champion.engine.items.vectors[tower][items]
        known = ~np.isnan(vectors).any(1)
        mean = weights[known] @ vectors[known]
        expected = mean / np.linalg.norm(mean)
        np.testing.assert_allclose(shopper.state.vectors[tower][0], expected, atol=1e-5)
    served = champion.recommender.ranked(shopper)
    ranked = offline.ranked(offline.from_history([items]))[0]
    np.testing.assert_array_equal(served.items, ranked.items)
    np.testing.assert_allclose(served.scores, ranked.scores, atol=TOLERANCE)


def visit(user, moment, items):
    """Return what a shopper does without a session id, with ever longer pauses."""
    events = done(user, 0, moment, items)
    for event, minutes in zip(events, PAUSES, strict=True):
        event["timestamp"] = (moment + timedelta(minutes=minutes)).isoformat()
        event["session_id"] = None
    return events


def by_gap(records, minutes):
    """Name the sessions of records by a pause of more than `minutes`."""
    named, number, last = [], 0, None
    for record in records:
        time = datetime.fromisoformat(record["timestamp"])
        if last is not None and time - last > timedelta(minutes=minutes):
            number += 1
        last = time
        named.append({**record, "session_id": f"visit {number}"})
    return named


def test_a_champion_keeps_its_own_gap_whatever_the_server_is_told(trained, tmp_path):
    """The params of the server's own run do not say what a session of the model is."""
    params, champion, _ = trained
    assert champion.shoppers.pause == 60 * params.preparation.session_gap_minutes
    other = Params.model_validate({"preparation": {"session_gap_minutes": 77}})
    again = Champion.load(Packages("other/2", {"fused": tmp_path / "ranker"}), other, LiveEvents())
    assert again.shoppers.pause == champion.shoppers.pause
