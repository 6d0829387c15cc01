"""What a challenger would have shown: logged answers asked again, and the value that follows."""

import io
from datetime import timedelta
from itertools import count
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest

from components.platform import object_cache, schemas, storage, tracking
from components.platform.feedback import ingestion as feedback_ingestion
from components.platform.feedback.judging import judge
from components.platform.feedback.off_policy import counterfactual_key
from components.platform.registry.policy import load_policy
from components.platform.serving.live_events import LiveEvents
from components.platform.serving.segments import PREFIX, framed, shipped_form
from components.shop_ranking.application import SHOP_RANKING
from components.shop_ranking.params import Params
from components.shop_ranking.serving import answering, counterfactual, slates
from components.shop_ranking.serving.api import RecommendRequest
from components.shop_ranking.serving.champion import Champion
from components.shop_ranking.serving.counterfactual import choose, known_events, sampled_answers
from components.shop_ranking.serving.slates import Slate
from tests.shop_ranking.serving.shop import logged_by, make_server, user_ids

pytestmark = pytest.mark.xdist_group("store")
# Half of the slots are random, so that the logs tell of other orders too.
PARAMS = Params.model_validate(
    {
        "serving": {"exploration": 0.5, "exploration_reach": 5},
        "feedback": {"min_effective_samples": 100, "judged_answers": 1000},
    }
)
POLICY = load_policy(SHOP_RANKING)
DAYS, SLOTS, FAVOURITES = 6, 6, 2
EXAMINED = 1 / np.arange(1, SLOTS + 1)


@pytest.fixture(scope="module")
def log(packages, tmp_path_factory):
    """Records of some days: each shopper is shown rows, clicks favourites and buys one item."""
    with pytest.MonkeyPatch.context() as patch:
        number = count()  # random slots follow from the ids of answers: the same in every run
        ids = SimpleNamespace(uuid4=lambda: SimpleNamespace(hex=f"{next(number):032x}"))
        patch.setattr(slates, "uuid", ids)
        yield logged(packages, tmp_path_factory.mktemp("choices"))


def logged(packages, folder):
    """Return the records, and the favourites of each shopper."""
    server = make_server(packages, folder, PARAMS)
    champion = server.champion.current()
    rng = np.random.default_rng(0)
    users = user_ids(champion, 60)
    favourites = {user: favourites_of(champion, user) for user in users}
    clock = champion.as_of
    for day in range(DAYS):
        for number, user in enumerate(users):
            clock = champion.as_of + timedelta(days=day, minutes=number)
            server.clock.set(clock)
            answer = answering.recommend(server.service, RecommendRequest(user_id=user, k=SLOTS))
            clicked = [
                item
                for item in answer.items
                if item.item_id in favourites[user]
                and rng.random() < 0.8 * EXAMINED[item.position - 1]
            ]
            # The purchase comes in at the moment of the answer, as a replay's does.
            server.log.append(
                [did("click", user, answer, item, clock) for item in clicked]
                + [did("purchase", user, answer, answer.items[-1], clock)],
                durable=False,
            )
    answering.recommend(server.service, RecommendRequest(user_id="nobody knows me", k=SLOTS))
    records = logged_by(server)
    server.log.close()
    return records, favourites


def favourites_of(champion, user):
    shopper = champion.shoppers.of(user, (), champion.as_of)
    slate = champion.recommender.recommend(RecommendRequest(k=SLOTS), shopper)
    return {champion.catalogue.item_id[row] for row in slate.items[:FAVOURITES].tolist()}


def did(kind, user, answer, item, moment):
    return dict.fromkeys(schemas.SERVED_EVENTS.names) | {
        "event_id": f"{kind}-{answer.impression_id}-{item.item_id}",
        "user_id": user,
        "session_id": answer.impression_id,
        "timestamp": moment.isoformat(),
        "event_type": kind,
        "item_id": item.item_id,
        "value": 1.0,
        "price": 2.0 if kind == "purchase" else None,
        "impression_id": answer.impression_id if kind == "click" else None,
        "received_at": moment.isoformat(),
    }


@pytest.fixture
def feedback(log, bucket, tmp_path):
    """Partitions of the log in S3, and a copy of them in a folder."""
    storage.put(shipped_form(framed(log[0])), f"{PREFIX}s-0.jsonl.gz")
    feedback_ingestion.run(PARAMS)
    object_cache.copy_all("feedback/", tmp_path / "feedback", ".parquet")
    return tmp_path / "feedback"


def chosen_by(packages, feedback, change=lambda model: None, params=PARAMS):
    live = LiveEvents()
    model = Champion.load(packages, params, live)
    change(model)
    answers = sampled_answers(feedback, model.as_of, params)
    return choose(model, live, answers, known_events(feedback, model.as_of)), answers


def test_the_champion_asked_again_gives_the_propensities_that_were_logged(log, feedback, packages):
    """So the state of every shopper is the one that the server knew, and nothing later."""
    table, _ = chosen_by(packages, feedback)
    shown = {
        (record["impression_id"], record["position"], record["item_id"]): record["propensity"]
        for record in log[0]
        if record["event_type"] == "impression"
    }
    chances = {
        (row["impression_id"], row["position"], row["item_id"]): row["probability"]
        for row in table.to_pylist()
    }
    strangers = {shown_item for shown_item in shown if shown_item not in chances}
    assert len(strangers) == SLOTS  # of the one answer whose history is not in the log
    assert len(shown) == DAYS * 60 * SLOTS + SLOTS
    for key in shown.keys() - strangers:
        assert chances[key] == pytest.approx(shown[key], rel=1e-6)
    sums = table.group_by(["impression_id", "position"]).aggregate([("probability", "sum")])
    assert sums["probability_sum"].to_numpy() == pytest.approx(1)


def test_of_too_many_answers_a_part_is_asked_the_same_at_every_run(feedback, packages):
    few = PARAMS.model_copy(
        update={"feedback": PARAMS.feedback.model_copy(update={"judged_answers": 50})}
    )
    model = Champion.load(packages, few, LiveEvents())
    first, two = (sampled_answers(feedback, model.as_of, few) for _ in range(2))
    assert first == two
    assert len(first) == 50
    assert sampled_answers(feedback, model.as_of + timedelta(days=DAYS), few) == []
    every = {answer["impression_id"] for answer in sampled_answers(feedback, model.as_of, PARAMS)}
    assert {answer["impression_id"] for answer in first} < every


def backwards(model):
    """Show the first items in the opposite order."""
    right = model.recommender.recommend

    def recommend(request, shopper):
        slate = right(request, shopper)
        order = np.r_[np.arange(5)[::-1], np.arange(5, len(slate.items))]
        return Slate(slate.items[order], slate.scores[order], slate.policy, slate.slots)

    object.__setattr__(model, "recommender", SimpleNamespace(recommend=recommend))


def test_the_value_of_the_champion_itself_and_of_a_worse_challenger(log, feedback, packages):
    true = {}
    for name, change in (("same", lambda model: None), ("worse", backwards)):
        table, answers = chosen_by(packages, feedback, change)
        true[name] = true_value(table, answers, log[1])
        buffer = io.BytesIO()
        pq.write_table(table, buffer)
        storage.put(buffer.getvalue(), counterfactual_key(f"ranker/{name}"))
    judged = judge(PARAMS)
    same, worse = judged["ranker/same"], judged["ranker/worse"]
    assert same["effective_samples"] == pytest.approx(DAYS * 60, rel=0.01)
    assert same["mean_weight"] == pytest.approx(1, abs=0.01)
    for name in ("snips", "doubly_robust"):
        assert same[name]["low"] <= same["logged"] <= same[name]["high"]
        assert standard_errors(same[name], true["same"]) < 3
        assert standard_errors(worse[name], true["worse"]) < 3
        assert worse[name]["high"] < same[name]["value"]
    assert "no sure difference" in same["conclusion"]
    assert worse["conclusion"].endswith("worse")


def standard_errors(estimate, true):
    """Return how far from the truth an estimate is, by its own account."""
    return abs(estimate["value"] - true) / (estimate["high"] - estimate["low"]) * 2 * 1.96


def true_value(table, answers, favourites):
    """Return the clicks a slot that these choices would get from shoppers who favour these."""
    user = {answer["impression_id"]: answer["user_id"] for answer in answers}
    rows = table.to_pylist()
    clicks = [
        row["probability"] * 0.8 * EXAMINED[row["position"] - 1]
        for row in rows
        if row["item_id"] in favourites[user[row["impression_id"]]]
    ]
    return sum(clicks) / len({(row["impression_id"], row["position"]) for row in rows})


def test_few_answers_conclude_nothing(feedback, packages):
    few = PARAMS.model_copy(
        update={"feedback": PARAMS.feedback.model_copy(update={"judged_answers": 50})}
    )
    table, _ = chosen_by(packages, feedback, params=few)
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    storage.put(buffer.getvalue(), counterfactual_key("ranker/few"))
    judged = judge(few)["ranker/few"]
    assert judged["doubly_robust"] is None
    assert "effective samples, fewer than 100" in judged["conclusion"]


def params_of(version):
    """Return what the challenger's run was told: half of the slots are random there alone."""
    return PARAMS if version.version == "2" else pytest.fail(f"{version} is not asked again")


@pytest.fixture
def registry(packages, monkeypatch):
    """A registry whose challenger is version 2; change its dict to change the aliases."""
    aliases = {"champion": "1", "challenger": "2"}

    def version_at(name, alias):
        number = aliases.get(alias)
        return number and tracking.Version(name, number, "run", {})

    monkeypatch.setattr(tracking, "version_at", version_at)
    monkeypatch.setattr(counterfactual, "fetch", lambda application, version, folder: packages)
    return aliases


def test_the_stage_writes_what_judging_reads(feedback, registry, packages):
    sampled_by = Params.model_validate({"feedback": {"judged_answers": 1000}})
    assert counterfactual.run(sampled_by, params_of, POLICY) == DAYS * 60
    judged = judge(PARAMS)
    assert judged[packages.version]["answers"] == DAYS * 60
    registry["champion"] = "2"
    before = storage.stored("counterfactual/")
    assert counterfactual.run(PARAMS, params_of, POLICY) == 0  # what is champion needs no estimate
    assert storage.stored("counterfactual/") == before


def test_without_feedback_or_a_challenger_nothing_is_written(bucket, registry):
    assert counterfactual.run(PARAMS, params_of, POLICY) == 0
    del registry["challenger"]
    assert counterfactual.run(PARAMS, params_of, POLICY) == 0
    assert storage.stored("counterfactual/") == []
