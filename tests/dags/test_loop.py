"""The DAGs that close the loop: integrity, policy, who starts whom, and when a training is due."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from components.platform.retraining import FedBack, decide, read_fed_back, window_end
from components.platform.tracking import Version
from components.shop_ranking.application import SHOP_RANKING
from components.shop_ranking.baseline_training.component import every_baseline
from components.shop_ranking.params import Params
from components.shop_ranking.retraining import COUNTED, refresh
from tests.platform.feedback.test_served_events import served, write

LOOP = tuple(
    f"shop_ranking_{job}"
    for job in ("drift_monitoring", "retraining", "fusion_refresh", "promotion", "rollback")
)
CHAMPION = Version(
    "fused-ranker",
    "3",
    "run",
    {"dataset": "tables", "data_as_of": "all", "cut_test": "2024-01-01", "horizon_days": "28"},
)


@pytest.mark.parametrize("name", LOOP)
def test_policy(bag, name):
    dag = bag.dags[name]
    assert dag.catchup is False
    assert dag.doc_md
    assert dag.tags
    assert dag.topological_sort()  # no cycle
    for task in dag.tasks:
        assert task.owner == "shopfusion"
        limit = task.execution_timeout or task.response_timeout
        assert timedelta(0) < limit <= timedelta(days=3)


def test_assets_connect_the_dags(bag):
    waiting = {
        name: {asset.name for asset in bag.dags[name].timetable.asset_condition.objects}
        for name in ("shop_ranking_retraining", "shop_ranking_promotion")
    }
    assert waiting == {
        "shop_ranking_retraining": {"feedback", "shop_ranking_drift"},
        "shop_ranking_promotion": {"shop_ranking_challenger"},
    }
    told = {
        task.task_id: [asset.name for asset in task.outlets]
        for name in LOOP
        for task in bag.dags[name].tasks
        if task.outlets
    }
    assert told == {"alert": ["shop_ranking_drift"]}
    for name in ("shop_ranking_retraining", "shop_ranking_fusion_refresh"):
        assert bag.dags[name].get_task("train").trigger_dag_id == "shop_ranking_training"


def test_the_person_stands_between_question_and_promotion(bag):
    dag = bag.dags["shop_ranking_promotion"]
    assert dag.get_task("approval").upstream_task_ids == {"question"}
    assert dag.get_task("promote").upstream_task_ids == {"question", "approval"}
    assert dag.get_task("approval").defaults == ["Reject"]


def due(**changes: object):
    arguments = {
        "application": SHOP_RANKING,
        "champion": CHAMPION,
        "overrides": {
            "seed": 7,
            "retrain": ["text"],
            "preparation.test_cut": "2024-01-01",
            "fusion.only": "stacking",  # it was refreshed: the next training compares all again
            "baselines.ranked": ["popularity"],
        },
        "fed_back": FedBack(500, date(2024, 2, 10)),
        "source": "s3:feedback/",
        "floor": 1000,
        "asked_for": None,
    }
    return decide(**(arguments | changes))


def test_feedback_alone_starts_a_training_only_when_there_is_enough():
    assert due().conf is None
    assert "fewer than 1,000" in due().reason
    assert due(floor=500).conf is not None


@pytest.mark.parametrize("who", ["drift", "by hand"])
def test_drift_and_a_person_need_no_floor(who):
    decision = due(asked_for=who)
    assert decision.reason == who
    assert decision.conf == {
        "seed": 7,  # as the champion's run was told
        "data.dataset": "tables",
        "data.feedback": "s3:feedback/",
        "preparation.as_of": "2024-02-11",  # the window moves; its old cuts do not hold
        "preparation.final_cut": True,  # and what is registered knows all of it
    }


@pytest.mark.parametrize(
    ("last_day", "is_due"), [(date(2017, 11, 24), False), (date(2017, 11, 25), True)]
)
def test_a_window_that_begins_before_the_champions_is_waited_for(last_day, is_due):
    """Complete Journey's own cuts: a window until 26 November has its first cut on 6 August."""
    days = {"fit_1": "2017-08-06", "fit_2": "2017-09-03", "validation": "2017-10-01",
            "test": "2017-11-01", "final": "2017-11-29"}  # fmt: skip
    tags = {"dataset": "complete-journey", "horizon_days": "28"}
    tags |= {f"cut_{name}": day for name, day in days.items()}
    champion = Version("fused-ranker", "1", "run", tags)
    decision = due(champion=champion, asked_for="by hand", fed_back=FedBack(500, last_day))
    assert (decision.conf is not None) == is_due
    if not is_due:
        assert "a window until 2017-11-25 begins before" in decision.reason
        assert "one until 2017-11-26" in decision.reason


def test_without_feedback_the_window_stays_and_without_a_champion_nothing_starts():
    conf = due(asked_for="by hand", fed_back=FedBack(0, None)).conf
    assert conf == {"seed": 7, "data.dataset": "tables"}
    assert due(asked_for="by hand", champion=None).conf is None


@pytest.mark.parametrize("method", ["stacking", None])
def test_a_refresh_fits_the_champions_method_alone_and_ranks_what_costs_seconds(method):
    tags = {"fusion": method} if method else {}  # None: registered before versions carried the tag
    conf = refresh(Version("fused-ranker", "3", "run", tags))
    assert conf["fusion.only"] == method
    assert conf["retrain"] == []
    params = Params.model_validate(
        {"fusion": {"only": method}, "baselines": {"ranked": conf["baselines.ranked"]}}
    )
    assert [baseline.name for baseline in every_baseline(params)] == list(COUNTED)


def test_only_what_came_back_after_the_champions_window_counts(tmp_path: Path):
    assert window_end(SHOP_RANKING, CHAMPION) == date(2024, 1, 29)
    days = [datetime(2024, 1, day, 12, tzinfo=UTC) for day in (27, 29, 30)]
    events = [served(event_id=str(when), timestamp=when) for when in days]
    assert read_fed_back(str(write(tmp_path, *events)), date(2024, 1, 29)) == FedBack(
        2, date(2024, 1, 29)
    )
