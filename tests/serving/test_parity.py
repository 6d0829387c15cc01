"""What is served equals what training's own code computes: blocking."""

from datetime import timedelta

import numpy as np
import pytest

from components.ranking.candidate_sets import build
from components.ranking.history import Events, summarise
from components.ranking.ranker import FusedRanker
from components.ranking.reading import read_states
from components.ranking.states import ShopperState
from components.serving.api import RecommendRequest
from tests.serving.shop import logged_by, user_ids

TOLERANCE = 1e-4
SURFACES = ("home", "similar", "basket", "buy_again")


@pytest.fixture
def offline(packages):
    return FusedRanker.load(packages.ranker)


def offline_scores(offline, state, items):
    """Score with the code that training uses: all signals of all items, in one batch."""
    found = build(state, offline.items, new=len(offline.items.eligible), bought=10_000)
    scores = dict(zip(found.items.tolist(), offline.fusion.score(found).tolist(), strict=True))
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
    """Shoppers ask, buy and ask again on later days; every logged score is computed anew."""
    shoppers = user_ids(champion, 6)
    items = [champion.catalogue.item_id[row] for row in champion.scorer.popular[:8].tolist()]
    for number, user in enumerate([*shoppers, "a stranger who buys"]):
        for day in range(3):
            moment = champion.as_of + timedelta(days=1.3 * (3 * number + day))
            ask(client, "/admin/clock", {"now": moment.isoformat()}, key="admin")
            for surface in SURFACES:
                body = {"user_id": user, "surface": surface, "k": 20, "item_id": items[0]}
                ask(client, "/recommend", body | {"basket": items[:2]})
            bought = [
                {
                    "event_id": f"{user}-{day}-{item}",
                    "action_name": "purchase",
                    "user_id": user,
                    "session_id": f"{user}-{day}",
                    "timestamp": moment.isoformat(),
                    "event_attributes": {"object": {"object_id": item}, "value": 2, "price": 1.5},
                }
                for item in items[day : day + 3]
            ]
            assert ask(client, "/events", {"events": bought}, key="events")["accepted"] == 3
    log = logged_by(server)
    compared = worst = 0
    for state, shown in replayed(champion, log, offline):
        rows = [champion.catalogue.index[one["item_id"]] for one in shown]
        served = np.array([one["value"] for one in shown])
        worst = max(worst, np.abs(served - offline_scores(offline, state, rows)).max())
        compared += len(rows)
    assert compared > 500
    assert worst < TOLERANCE


def replayed(champion, log, offline):
    """Yield each logged answer with the state that its shopper had, from package and log alone."""
    answers = {}
    for place, record in enumerate(log):
        if record["event_type"] == "impression":
            answers.setdefault(record["impression_id"], (place, []))[1].append(record)
    for place, shown in answers.values():
        user = shown[0]["user_id"]
        before = [
            one for one in log[:place] if one["user_id"] == user and one["event_type"] == "purchase"
        ]
        yield summarised(champion, offline, user, before, shown[0]["timestamp"]), shown


def summarised(champion, offline, user, live, now):
    """Return the state of the package's history followed by `live`, by plain loops."""
    shoppers, day = champion.shoppers, np.timedelta64(1, "D")
    start = np.datetime64(champion.as_of.replace(tzinfo=None))
    times = [np.datetime64(one["timestamp"].removesuffix("+00:00")) for one in live]
    midnight = start + ((np.datetime64(now.removesuffix("+00:00")) - start) // day) * day
    moment = max([midnight, *times])
    place = shoppers.place[shoppers.row.get(user, -1)]
    past = slice(*shoppers.events.ptr[[place, place + 1]]) if place >= 0 else slice(0, 0)
    first = shoppers.events.session[past].max(initial=-1) + 1
    sessions = list(dict.fromkeys(one["session_id"] for one in live))
    item = [*shoppers.events.item[past], *(champion.catalogue.index[e["item_id"]] for e in live)]
    ages = [*(shoppers.events.day[past] + np.float32((moment - start) / day)),
            *((moment - time) / day for time in times)]  # fmt: skip
    session = [
        *shoppers.events.session[past],
        *(first + sessions.index(e["session_id"]) for e in live),
    ]
    target = [*shoppers.events.is_target[past], *(True for _ in live)]
    found = summarise(
        Events(
            np.array([0, len(item)]), np.array(item, np.int32), np.array(ages, np.float32),
            np.array(session, np.int32), np.array(target, bool),
        )
    )  # fmt: skip
    known = place >= 0
    base = offline.known(np.array([shoppers.row[user]], np.int32)) if known else None
    for pair, touched in enumerate(found.item.tolist()):
        old = np.flatnonzero(base.item == touched) if known else []
        if len(old):
            found.pairs[pair, 11:] = base.pairs[old[0], 11:]
        for event in live:
            if champion.catalogue.index[event["item_id"]] == touched:
                money = np.nan_to_num(found.pairs[pair, 11:13])
                found.pairs[pair, 11:13] = money + np.array([2 * 1.5, 2], np.float32)
    if known:
        found.shoppers[0, 9:] = base.numbers[0, 9:]
        vectors = base.vectors
    else:
        vectors = offline.from_history([np.array(item, np.int32)]).vectors
    users = np.array([-1], np.int32)
    return ShopperState(users, found.ptr, found.item, found.pairs, found.shoppers, vectors)


def ask(client, path, body, key=None):
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    answer = client.post(path, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_candidates_are_those_of_training(champion, offline):
    for user in user_ids(champion, 20):
        state = champion.shoppers.of(user, (), champion.as_of).state
        served = champion.scorer.rank(state)
        trained = build(state, offline.items, new=offline.new, bought=offline.bought)
        both = np.intersect1d(served.items, trained.items)
        assert len(both) >= 0.9 * max(len(served.items), len(trained.items))  # ties alone differ


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
