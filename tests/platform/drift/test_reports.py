"""Evidently's side: the same number, a point a week, and a panel for every statistic."""

import json
from datetime import date, timedelta

import numpy as np
import pytest

from components.platform.drift.calibration import judge_weeks
from components.platform.drift.reports import Board
from components.platform.drift.statistics import Histogram, Quality, Statistic
from components.platform.params.loop import DriftParams

WEEKS = [date(2024, 1, 1) + timedelta(weeks=number) for number in range(10)]


@pytest.fixture(scope="module")
def statistics() -> list[Statistic]:
    rng = np.random.default_rng(0)
    counts = rng.multinomial(4000, [0.4, 0.3, 0.2, 0.0995, 0.0005], len(WEEKS)).astype(float)
    counts[9] = [1000, 1000, 1000, 997, 3]
    ndcg = tuple(rng.uniform(0, 1, 50) for _ in WEEKS)
    return [
        Histogram("category", "input", ("a", "b", "c", "d", "rare"), counts, 1e-3),
        Quality("ndcg@10", "quality", ndcg),
    ]


def results(board: Board, week: date) -> dict[str, dict]:
    """Return metric name -> its stored result."""
    path = board.folder / str(board.project) / "snapshots" / f"{board.report_of(week)}.json"
    stored = json.loads(path.read_text())["metric_results"].values()
    return {result["display_name"]: result for result in stored}


def test_reports_are_replaced_and_the_project_is_made_once(statistics, tmp_path):
    board = Board(tmp_path / "evidently", "shop", "tiny")
    judged = judge_weeks(statistics, WEEKS, DriftParams())
    board.write(statistics, judged, "fused-ranker/1")
    files = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    board.write(
        statistics,
        [judgement for judgement in judged if judgement.week == WEEKS[9]],
        "fused-ranker/2",
    )
    again = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert files == again
    assert len(list((tmp_path / "evidently").glob("*/snapshots/*.json"))) == len(WEEKS)
    dashboard = json.loads(next(tmp_path.rglob("dashboard.json")).read_text())
    assert [panel["title"] for panel in dashboard["panels"]] == [
        "Alarms a week", "input: category", "quality: ndcg@10",
    ]  # fmt: skip

    shown = results(board, WEEKS[9])
    ours = next(
        judgement
        for judgement in judged
        if judgement.week == WEEKS[9] and judgement.name == "category"
    )
    assert ours.alarm
    theirs = shown["Value drift for category values"]
    assert theirs["value"] == pytest.approx(ours.value, rel=1e-6)
    assert shown["Mean value of 'category'"]["value"] == pytest.approx(ours.value)
    assert shown["Mean value of 'alarms'"]["value"] == sum(
        judgement.alarm for judgement in judged if judgement.week == WEEKS[9]
    )
    statuses = [test["status"] for test in shown["Mean value of 'category'"]["tests"]]
    assert statuses == ["FAIL"]
    calm = results(board, WEEKS[8])["Mean value of 'category'"]["tests"]
    assert [test["status"] for test in calm] == ["SUCCESS"]
