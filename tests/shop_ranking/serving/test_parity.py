"""What is served equals what training's own code computes: blocking."""

import json
import shutil
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from components.platform.application import Packages
from components.platform.files import write_json
from components.platform.serving.event_validation import record_of
from components.platform.serving.live_events import LiveEvents
from components.shop_ranking.engine.batches import stacked
from components.shop_ranking.engine.candidate_sets import ROW_COLUMNS
from components.shop_ranking.engine.feature_states import ShopperState
from components.shop_ranking.engine.fusion.lists import SEGMENTS
from components.shop_ranking.engine.fusion.weighted_average import WeightedAverage
from components.shop_ranking.engine.history import Events, summarise
from components.shop_ranking.engine.ranker import FusedRanker
from components.shop_ranking.engine.reading import read_states
from components.shop_ranking.engine.signals import SIGNALS
from components.shop_ranking.params import Params
from components.shop_ranking.serving.api import RecommendRequest
from components.shop_ranking.serving.champion import Champion
from tests.shop_ranking.serving.shop import logged_by, user_ids

TOLERANCE = 1e-4
SURFACES = ("home", "similar", "basket", "buy_again")


@pytest.fixture
def offline(packages):
    return FusedRanker.load(packages.folders["fused"])


def everything(offline, state):
    """Return all items with the features that training's code gives them, in one batch."""
    items = np.flatnonzero(offline.items.eligible).astype(np.int32)
    return offline.engine.rows(state, [items] * len(state))


def offline_scores(offline, state, items):
    """Score with the code that training uses."""
    candidates = everything(offline, state)
    scores = dict(
        zip(candidates.items.tolist(), offline.fusion.score(candidates).tolist(), strict=True)
    )
    return np.array([scores[item] for item in items])


def test_state_at_the_cut_is_the_one_that_training_reads(champion, tiny_world, standins, packages):
    towers = {name: standins[name] for name in ("behaviour", "text", "image")}
    _, trained = read_states(
        tiny_world.prepared, "test", towers, standins["baselines"], ["purchase"]
    )
    for user in user_ids(champion, 30):
        served = champion.shoppers.of(user, (), champion.as_of).state
        row = trained.take(np.flatnonzero(trained.users == champion.shoppers.row[user]))
        assert np.array_equal(served.item, row.item)
        assert np.array_equal(served.pairs, row.pairs, equal_nan=True)
        assert np.array_equal(served.numbers, row.numbers, equal_nan=True)


def test_logged_answers_replay_offline_to_the_same_scores(
    client, server, champion, offline, packages
):
    """Shoppers ask, look, click, buy and ask again on later days; all scores are computed anew.

    On a search the fused score is that of the shopper's taste, on /ads that of the sponsored item.
    """
    shoppers = user_ids(champion, 6)
    items = [champion.catalogue.item_id[row] for row in champion.engine.popular[:8].tolist()]
    words = [champion.catalogue.title[row].split()[0] for row in champion.engine.popular[:3]]
    advertise(client, server, champion)
    for number, user in enumerate([*shoppers, "a stranger who buys"]):
        for day in range(3):
            moment = champion.as_of + timedelta(days=1.3 * (3 * number + day))
            ask(client, "/admin/clock", {"now": moment.isoformat()}, key="admin")
            context = {"user_id": user, "item_id": items[0], "basket": items[:2]}
            for surface in SURFACES:
                ask(client, "/recommend", context | {"surface": surface, "k": 20})
                for campaign in server.ads.campaigns():  # a new day begins with a coin of its own
                    server.ads.pacer(campaign.campaign_id).probability(campaign, server.clock.now())
                    server.ads.pacer(campaign.campaign_id).participation = 1.0
                ask(client, "/ads", context | {"surface": surface, "slots": 4})
            query = {"user_id": user, "query": words[day]}
            ask(client, "/search", query)
            ask(client, "/ads", query | {"surface": "search", "slots": 4})
            sent = done(user, day, moment, items[day : day + 5])
            assert ask(client, "/events", {"events": sent}, key="events")["accepted"] == len(sent)
    compared, worst = {}, 0
    for state, shown in replayed(champion, logged_by(server), offline):
        scored = [record for record in shown if record["fused_score"] is not None]
        if not scored:  # a stranger of whom nothing is known searches
            assert shown[0]["surface"] == "search"
            continue
        rows = [champion.catalogue.index[record["item_id"]] for record in scored]
        served = np.array([record["fused_score"] for record in scored])
        worst = max(worst, np.abs(served - offline_scores(offline, state, rows)).max())
        kind = (shown[0]["surface"], shown[0]["policy"].startswith("gsp"))
        compared[kind] = compared.get(kind, 0) + len(rows)
        if shown[0]["surface"] != "search":
            assert [record["value"] for record in shown] == served.tolist()
    print(f"largest difference {worst:.2g} among {compared}")
    assert set(compared) == {(name, ad) for name in (*SURFACES, "search") for ad in (True, False)}
    assert min(compared.values()) >= 40
    assert sum(compared.values()) > 1000
    assert worst < TOLERANCE


def test_another_fusion_method_scores_as_it_does_offline(champion, packages, tmp_path):
    """The weighted average depends on which items are scored together: those that were, are."""
    ranker = tmp_path / "ranker"
    shutil.copytree(packages.folders["fused"], ranker)
    fusion = WeightedAverage()
    fusion.simplex = np.random.default_rng(0).dirichlet(np.ones(len(SIGNALS)), len(SEGMENTS))
    fusion.save(ranker / fusion.name)
    chosen = json.loads((ranker / "chosen.json").read_text())
    write_json(chosen | {"method": fusion.name}, ranker / "chosen.json")
    live = LiveEvents()
    other = Champion.load(Packages("other/1", {"fused": ranker}), Params(), live)
    offline = FusedRanker.load(ranker)
    moment, worst = champion.as_of + timedelta(days=2.3), 0
    for user in user_ids(champion, 5):
        events = [
            record_of(event, moment, Params().feedback)
            for event in done(user, 0, moment, other.catalogue.item_id[:5])
        ]
        for live_until in ([], events):
            live.accept(live_until)
            state = summarised(other, offline, user, live_until, moment.isoformat())
            served = other.recommender.ranked(other.shoppers.of(user, (), moment))
            whole = everything(offline, state)
            rows = np.sort(np.flatnonzero(np.isin(whole.items, served.items)))
            together = replace(
                whole,
                ptr=np.array([0, len(rows)]),
                **{n: getattr(whole, n)[rows] for n in ROW_COLUMNS},
            )
            scores = dict(zip(together.items.tolist(), offline.fusion.score(together), strict=True))
            expected = np.array([scores[item] for item in served.items.tolist()])
            worst = max(worst, np.abs(served.scores - expected).max())
    assert worst < TOLERANCE


def advertise(client, server, champion):
    """Let every item be sold by one of forty campaigns."""
    ids = champion.catalogue.item_id
    made = [
        {"campaign_id": f"c{k}", "item_ids": ids[k::40], "bid": 0.1 + k / 50, "daily_budget": 1e6}
        for k in range(40)
    ]
    answer = client.put(
        "/admin/campaigns",
        json={"campaigns": made},
        headers={"Authorization": "Bearer admin"},
    )
    assert answer.status_code == 200, answer.text


def done(user, day, moment, items):
    """Return what a shopper does to items within one visit, a minute apart: most are not bought."""
    kinds = ("view", "click", "add_to_cart", "purchase", "purchase")
    return [
        {
            "event_id": f"{user}-{day}-{number}",
            "action_name": kind,
            "user_id": user,
            "session_id": f"{user}-{day}",
            "timestamp": (moment + timedelta(minutes=number)).isoformat(),
            "event_attributes": {"object": {"object_id": item}, "value": 2, "price": 1.5},
        }
        for number, (kind, item) in enumerate(zip(kinds, items, strict=True))
    ]


def replayed(champion, log, offline):
    """Yield each logged answer with the state that its shopper had, from package and log alone."""
    answers = {}
    for place, record in enumerate(log):
        if record["event_type"] == "impression":
            answers.setdefault(record["impression_id"], (place, []))[1].append(record)
    for place, shown in answers.values():
        user = shown[0]["user_id"]
        before = [
            record
            for record in log[:place]
            if record["user_id"] == user and record["event_type"] != "impression"
        ]
        yield summarised(champion, offline, user, before, shown[0]["timestamp"]), shown


def summarised(champion, offline, user, live, now):
    """Return the state of the package's history followed by `live`, by plain loops."""
    shoppers, day = champion.shoppers, np.timedelta64(1, "D")
    start = np.datetime64(champion.as_of.replace(tzinfo=None))
    times = [np.datetime64(record["timestamp"].removesuffix("+00:00")) for record in live]
    midnight = start + ((np.datetime64(now.removesuffix("+00:00")) - start) // day) * day
    moment = max([midnight, *times])
    place = shoppers.place[shoppers.row.get(user, -1)]
    past = slice(*shoppers.events.ptr[[place, place + 1]]) if place >= 0 else slice(0, 0)
    first = shoppers.events.session[past].max(initial=-1) + 1
    sessions = list(dict.fromkeys(record["session_id"] for record in live))
    item = [*shoppers.events.item[past], *(champion.catalogue.index[e["item_id"]] for e in live)]
    ages = [*(shoppers.events.day[past] + np.float32((moment - start) / day)),
            *((moment - time) / day for time in times)]  # fmt: skip
    session = [
        *shoppers.events.session[past],
        *(first + sessions.index(e["session_id"]) for e in live),
    ]
    bought = [record["event_type"] == "purchase" for record in live]
    target = [*shoppers.events.is_target[past], *bought]
    pairs = summarise(
        Events(
            np.array([0, len(item)]), np.array(item, np.int32), np.array(ages, np.float32),
            np.array(session, np.int32), np.array(target, bool),
        )
    )  # fmt: skip
    known = place >= 0
    base = offline.known(np.array([shoppers.row[user]], np.int32)) if known else None
    for pair, touched in enumerate(pairs.item.tolist()):
        old = np.flatnonzero(base.item == touched) if known else []
        if len(old):
            pairs.pairs[pair, 11:] = base.pairs[old[0], 11:]
        for event, paid in zip(live, bought, strict=True):
            if paid and champion.catalogue.index[event["item_id"]] == touched:
                money = np.nan_to_num(pairs.pairs[pair, 11:13])
                pairs.pairs[pair, 11:13] = money + np.array([2 * 1.5, 2], np.float32)
    if known:
        pairs.shoppers[0, 9:] = base.numbers[0, 9:]
        vectors = base.vectors
    else:
        vectors = offline.from_history([np.array(item, np.int32)]).vectors
    users = np.array([-1], np.int32)
    return ShopperState(users, pairs.ptr, pairs.item, pairs.pairs, pairs.shoppers, vectors)


def ask(client, path, body, key=None):
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    answer = client.post(path, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_candidates_are_those_of_training(champion, offline):
    """Of one shopper as of many, item by item, feature by feature."""
    users = user_ids(champion, 20)
    states = [champion.shoppers.of(user, (), champion.as_of).state for user in users]
    trained = offline.engine.candidates(stacked(states))
    for number, state in enumerate(states):
        alone = champion.engine.candidates(state)
        together = trained.take(np.array([number]))
        for name in ROW_COLUMNS:
            np.testing.assert_array_equal(getattr(alone, name), getattr(together, name))
    assert len(trained) > 20 * len(users)


def test_the_packaged_model_ranks_much_as_the_server_does(champion, offline):
    """Their scores are equal; where a source is short of good candidates, theirs differ."""
    shared = []
    for user in user_ids(champion, 10):
        request = RecommendRequest(user_id=user, k=10, diversity=0)
        shopper = champion.shoppers.of(user, (), champion.as_of)
        items = champion.recommender.recommend(request, shopper).items[:10]
        ranked = offline.rank(offline.known(np.array([champion.shoppers.row[user]])), 10)[0][0]
        shared.append(len(set(items.tolist()) & set(ranked.tolist())))
    assert np.mean(shared) >= 8
