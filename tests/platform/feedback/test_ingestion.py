"""Segments in a real S3 store into partitions: labels, metrics and outcomes known by hand."""

import io
import json
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.__main__ import main
from components.platform import schemas, storage
from components.platform.feedback.click_model import KEY, ClickModel
from components.platform.feedback.ingestion import run
from components.platform.feedback.judging import judge
from components.platform.feedback.partitions import (
    key_of,
    latest_labelled,
    publish_items,
    put_table,
)
from components.platform.serving.segments import PREFIX, framed, shipped_form
from components.platform.settings import settings
from components.shop_ranking.params import Params
from tests.registries import new_registry
from tests.running import ROOT

DAY = date(2017, 11, 5)
START = datetime(2017, 11, 5, 12, tzinfo=UTC)
TODAY = date(2026, 11, 25)  # years after all that was ever shown
ANNA, BERT = "a" * 32, "b" * 32
pytestmark = pytest.mark.xdist_group("store")


def record(event_type: str, item: str, minutes: float, event_id: str, **values: object) -> dict:
    at = START + timedelta(minutes=minutes)
    empty = dict.fromkeys(schemas.SERVED_EVENTS.names)
    return (
        empty
        | {
            "event_id": event_id,
            "user_id": ANNA,
            "timestamp": at.isoformat(),
            "event_type": event_type,
            "item_id": item,
            "received_at": at.isoformat(),
        }
        | values
    )


def impression(name: str, position: int, item: str, minutes: float = 0, **values: object) -> dict:
    shown = {
        "impression_id": name,
        "position": position,
        "surface": "home",
        "model_version": "fused-ranker/3",
        "propensity": 0.9,
        "policy": "fused+swap",
        "value": 1.5,
    }
    return record("impression", item, minutes, f"{name}:{position}", **(shown | values))


def ship(name: str, records: list[dict]) -> None:
    storage.put(shipped_form(framed(records)), f"{PREFIX}{name}.jsonl.gz")


def read(name: str, day: date = DAY) -> pa.Table:
    return pq.read_table(io.BytesIO(storage.get(key_of(day, name))))


def labels(day: date = DAY) -> dict[tuple[str, str], tuple[bool, bool, float]]:
    rows = read("labelled.parquet", day).to_pylist()
    return {
        (r["impression_id"], r["item_id"]): (r["clicked"], r["purchased"], round(r["revenue"], 2))
        for r in rows
    }


SHOWN = [impression("i1", 1, "milk"), impression("i1", 2, "eggs"), impression("i2", 1, "eggs", 30)]


def test_labels_and_outcomes_are_those_worked_out_by_hand(bucket):
    ship("s-0", SHOWN)
    ship(
        "s-1",
        [
            record("click", "milk", 1, "c1", impression_id="i1"),
            record("click", "milk", 2, "c2", impression_id="i1"),  # twice: one click
            record("click", "milk", 2, "c3", impression_id="i2"),  # never shown there
            record("click", "milk", 3, "c4", impression_id="nobody"),
            record("click", "milk", 3, "c5"),
            record("click", "eggs", 60 * 25, "c6", impression_id="i1"),  # too late
            record("purchase", "milk", 5, "p1", value=2, price=1.5),
            record("purchase", "eggs", 40, "p2", value=1, price=3.0),  # latest: i2
            record("purchase", "eggs", 41, "p3", value=1, price=3.0, impression_id="i1"),  # named
            record("purchase", "milk", 6, "p4", user_id=BERT, price=9.0),  # never shown to Bert
            record("purchase", "milk", -1, "p5", price=9.0),  # before it was shown
        ],
    )
    accounts = run(Params())
    assert labels() == {
        ("i1", "milk"): (True, True, 3.0),
        ("i1", "eggs"): (False, True, 3.0),
        ("i2", "eggs"): (False, True, 3.0),
    }
    account = accounts[DAY]
    assert (account["orphan"], account["joined"]) == (3, 2)
    assert (account["attributed"], account["unattributed"]) == (3, 2)
    assert accounts[DAY + timedelta(days=1)]["orphan"] == 1
    assert json.loads(storage.get(key_of(DAY, "account.json"))) == account
    assert read("labelled.parquet").schema == schemas.LABELLED


def test_a_clicked_impression_gets_the_purchase_before_a_later_one_that_was_not(bucket):
    ship("s-0", [*SHOWN, record("click", "eggs", 2, "c", impression_id="i1")])
    ship("s-1", [record("purchase", "eggs", 40, "p", price=3.0)])
    run(Params())
    assert labels()["i1", "eggs"] == (True, True, 3.0)
    assert labels()["i2", "eggs"] == (False, False, 0.0)


def test_every_way_to_be_wrong_has_a_reason_in_quarantine(bucket):
    publish_items("shop", pa.table({"item_id": ["milk", "eggs"]}))
    wrong = {
        "item_id is in no catalogue of the shop": record("click", "unicorn", 1, "w1"),
        "user_id is not a pseudonym": record("click", "milk", 1, "w2", user_id="anna"),
        "event_type is unknown": record("dance", "milk", 1, "w3"),
        "item_id is missing": record("click", None, 1, "w4"),
        "timestamp is not a date and time": record("click", "milk", 1, "w5", timestamp="noon"),
        "timestamp is later than the clock of the server": record(
            "click", "milk", 60, "w6", received_at=START.isoformat()
        ),
        "propensity is not in (0, 1]": impression("w7", 1, "milk", propensity=0),
        "position is not from 1": impression("w8", 0, "milk"),
        "value is missing from a rating": record("rating", "milk", 1, "w9"),
        "value is no number": record("purchase", "milk", 1, "w10", value="NaN"),
        "price is no amount of money": record("purchase", "milk", 1, "w11", price=-1),
        "event_id is missing": record("click", "milk", 1, None),
        "impression_id is missing": impression("w13", 1, "milk", impression_id=None),
        "received_at is not a date and time": record("click", "milk", 1, "w14", received_at=None),
        "user_id is missing": record("click", "milk", 1, "w15", user_id=None),
    }
    ship("s-0", [*SHOWN, *wrong.values()])
    accounts = run(Params())
    assert accounts[DAY]["quarantined"] == dict.fromkeys(wrong, 1)
    assert accounts[DAY]["events"] == len(SHOWN)
    kept = read("quarantine.parquet")
    assert kept.schema == schemas.QUARANTINE
    assert "anna" not in "".join(kept["row"].to_pylist())


def test_an_event_counts_once_however_often_and_wherever_it_was_sent(bucket):
    click = record("click", "milk", 1, "c", impression_id="i1")
    buy = record("purchase", "milk", 5, "p", value=1, price=2.0)
    ship("s-0", [*SHOWN, click, buy, click])
    ship("s-1", [*SHOWN, buy, click])
    account = run(Params())[DAY]
    assert (account["events"], account["repeated"], account["joined"]) == (5, 6, 1)
    assert labels()["i1", "milk"] == (True, True, 2.0)


def objects() -> dict[str, bytes]:
    return {item.key: storage.get(item.key) for item in storage.stored("feedback/")}


def test_again_backwards_or_all_at_once_gives_the_same_bytes(bucket):
    click = record("click", "eggs", 60 * 13, "late", impression_id="i2")  # the next day
    ship("s-0", SHOWN)
    run(Params())
    assert labels()["i2", "eggs"] == (False, False, 0.0)
    ship("s-1", [click])
    touched = run(Params())
    assert set(touched) == {DAY, DAY + timedelta(days=1)}  # the day before may have changed
    assert labels()["i2", "eggs"] == (True, False, 0.0)
    first = objects()
    assert run(Params()) == {}  # nothing new
    for day in (DAY + timedelta(days=1), DAY):
        run(Params(), day)
    assert objects() == first
    client = storage.client()
    for key in first:
        client.delete_object(Bucket=bucket, Key=key)
    run(Params())  # the index is gone too
    assert objects() == first


def test_online_metrics_of_a_day(bucket):
    rows = []
    for n in range(100):
        rows.append(impression(f"h{n}", 1, "milk", n / 100))
        rows.append(impression(f"a{n}", 1, "eggs", n / 100, campaign_id="c1", price=0.2))
    rows += [record("click", "milk", 5, f"k{n}", impression_id=f"h{n}") for n in range(10)]
    rows += [record("purchase", "milk", 6, "p", impression_id="h0", value=2, price=2.5)]
    ship("s-0", rows)
    run(Params())
    metrics = read("metrics.parquet")
    assert metrics.schema == schemas.ONLINE_METRICS
    by_place = {(r["surface"], r["position"]): r for r in metrics.to_pylist()}
    assert set(by_place) == {("home", 1), ("home", None), ("ads", 1), ("ads", None)}
    home = by_place["home", None]
    assert (home["impressions"], home["clicks"], home["purchases"]) == (100, 10, 1)
    assert (home["ctr"], home["cvr"], home["revenue"]) == (0.1, 0.1, 5.0)
    # Wilson's interval of 10 in 100, from the literature's own example
    assert (round(home["ctr_low"], 4), round(home["ctr_high"], 4)) == (0.0552, 0.1744)
    assert by_place["ads", None]["cvr"] is None


def test_clicks_on_good_scores_calibrate_the_server_s_click_model(bucket):
    rng = np.random.default_rng(0)
    rows = []
    for n in range(3000):
        score = float(rng.normal())
        shown = {"value": score, "fused_score": score}
        rows.append(impression(f"i{n}", 1 + n % 5, "milk", n / 100, **shown))
        if rng.random() < 1 / (1 + np.exp(1 - score)):
            rows.append(record("click", "milk", n / 100, f"c{n}", impression_id=f"i{n}"))
    ship("s-0", rows)
    run(Params())
    models = json.loads(storage.get(KEY))
    run(Params(), TODAY)  # the nightly run beside a replay of the past
    assert json.loads(storage.get(KEY)) == models
    model = ClickModel.from_json(models["fused-ranker/3"])
    at, ones = np.array([-1.0, 1.0]), np.ones(2)
    low, high = model.probability(at, at, ones * 3, ones * 0)
    assert low == pytest.approx(1 / (1 + np.exp(2)), abs=0.05)
    assert high == pytest.approx(0.5, abs=0.06)


def test_a_search_and_a_row_have_scales_of_their_own(bucket):
    """On the search, a tenth of clicks is .05 and .5 by relevance, whatever scores home has."""
    rng = np.random.default_rng(0)
    rows = []
    for n in range(8000):
        searched, good = n % 2 == 0, rng.random() < 0.5
        score = (0.016 if good else 0.004) if searched else float(rng.normal(0, 3))
        chance = (0.5 if good else 0.05) if searched else 1 / (1 + np.exp(2 - 0.5 * score))
        more = {"surface": "search"} if searched else {"fused_score": score}
        rows.append(impression(f"i{n}", 1, "milk", n / 100, value=score, **more))
        if rng.random() < chance:
            rows.append(record("click", "milk", n / 100, f"c{n}", impression_id=f"i{n}"))
    ship("s-0", rows)
    run(Params())
    model = ClickModel.from_json(json.loads(storage.get(KEY))["fused-ranker/3"])
    ones, nothing = np.ones(2), np.full(2, np.nan)
    probability = model.probability(np.array([0.004, 0.016]), nothing, ones, ones * 0)
    assert probability == pytest.approx([0.05, 0.5], abs=0.03)
    home = np.array([-3.0, 3.0])
    expected = 1 / (1 + np.exp(2 - 0.5 * home))
    assert model.probability(home, home, ones, ones * 0) == pytest.approx(expected, abs=0.03)


def test_a_partition_from_before_fused_scores_were_logged_still_counts(bucket):
    ship("s-0", [impression("i1", 1, "milk")])
    run(Params())
    old = read("labelled.parquet").drop_columns(["fused_score"])
    put_table(old, key_of(DAY, "labelled.parquet"))
    later = {"fused_score": 0.5, "timestamp": (START + timedelta(days=1)).isoformat()}
    later["received_at"] = later["timestamp"]
    ship("s-1", [impression("i2", 1, "milk", **later)])
    put_table(old, key_of(DAY - timedelta(days=3), "labelled.parquet"))
    put_table(read("metrics.parquet"), key_of(DAY - timedelta(days=3), "metrics.parquet"))
    run(Params())
    labelled = latest_labelled(5)
    assert labelled is not None
    assert labelled["fused_score"].to_pylist() == [None, None, 0.5]


def test_the_latest_days_are_counted_from_the_last_one_on_which_anything_was_shown(bucket):
    assert latest_labelled(2) is None
    for back in (0, 1, 2):
        at = -back * 24 * 60
        ship(f"s-{back}", [impression(f"i{back}", 1, "milk", at, received_at=START.isoformat())])
    run(Params(), TODAY)
    assert latest_labelled(2)["impression_id"].to_pylist() == ["i1", "i0"]
    assert latest_labelled(3).num_rows == 3


@pytest.fixture
def no_champion(tmp_path, monkeypatch) -> None:
    """An empty registry of the environment; the policy is that of the current folder."""
    monkeypatch.setenv("SHOPFUSION_MLFLOW_URI", new_registry(tmp_path))
    monkeypatch.chdir(ROOT)
    settings.cache_clear()


def test_the_command_says_of_which_day_it_was(bucket, no_champion, capsys):
    ship("s-0", SHOWN)
    assert main(["feedback", "--day", "2017-11-05"]) == 0
    assert "2017-11-05" in capsys.readouterr().out


def test_the_command_says_what_is_wrong_in_one_line(no_store, no_champion, capsys):
    assert main(["feedback"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"expected an S3 store at {no_store}" in line


def answer_counterfactually(version: str, item_of_slot: dict[int, str], answers: int) -> None:
    rows = [
        {"impression_id": f"i{n}", "position": slot, "item_id": item, "probability": 1.0}
        for n in range(answers)
        for slot, item in item_of_slot.items()
    ]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=schemas.COUNTERFACTUAL), buffer)
    storage.put(buffer.getvalue(), f"counterfactual/{version}/any.parquet")


def test_a_challenger_is_judged_by_what_the_logs_know_and_no_further(bucket):
    """Eggs are clicked twice as often as milk; either is shown by a coin."""
    rng = np.random.default_rng(0)
    rows = []
    for n in range(1500):
        item = "eggs" if rng.random() < 0.5 else "milk"
        rows.append(impression(f"i{n}", 1, item, n / 100, propensity=0.5))
        if rng.random() < (0.4 if item == "eggs" else 0.2):
            rows.append(record("click", item, n / 100, f"c{n}", impression_id=f"i{n}"))
    ship("s-0", rows)
    run(Params())
    assert judge(Params()) == {}
    answer_counterfactually("fused-ranker/4", {1: "eggs"}, 1500)
    answer_counterfactually("fused-ranker/5", {1: "unicorn"}, 1500)
    answer_counterfactually("fused-ranker/6", {1: "eggs"}, 150)
    judged = judge(Params())
    run(Params(), TODAY)  # the nightly run beside a replay of the past
    assert judge(Params()) == judged
    assert json.loads(storage.get("feedback/off_policy.json")) == judged
    good, unknown, few = (judged[f"fused-ranker/{n}"] for n in (4, 5, 6))
    for estimate in (good["snips"], good["doubly_robust"]):
        assert estimate["low"] < 0.4 < estimate["high"]
    assert "better" in good["conclusion"]
    for part in (
        "{value:.4f} ({low:.4f} to {high:.4f}) doubly robust".format(**good["doubly_robust"]),
        "{value:.4f} ({low:.4f} to {high:.4f}) by SNIPS".format(**good["snips"]),
        f"from 1,500 answers worth {good['effective_samples']:,.0f}: better",
    ):
        assert part in good["conclusion"]
    assert unknown["snips"] is None
    assert few["conclusion"].startswith("nothing is concluded")
    for value in (few, unknown):
        assert f"answers worth {value['effective_samples']:,.0f}: " in value["conclusion"]
