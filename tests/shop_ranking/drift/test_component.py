"""From tables and feedback to alarms."""

import json
import threading
from datetime import date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from components.platform import schemas
from components.platform.application import DriftInput
from components.platform.drift.alert import raise_alarm
from components.platform.drift.calibration import Judgement
from components.platform.drift.monitoring import alarms, run
from components.platform.errors import DataError, ParamsError, ServiceError
from components.platform.files import write_table
from components.platform.params.loop import DriftParams
from components.platform.settings import settings
from components.shop_ranking.application import SHOP_RANKING
from components.shop_ranking.drift.predictions import ndcg_of_shown, online_statistics
from components.shop_ranking.drift.rows import data_quality_statistics, input_statistics, read_rows
from components.shop_ranking.params import Params
from tests.shop_ranking.drift.shop import FIRST, WEEKS, write_shop


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SHOPFUSION_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    yield tmp_path / "home"
    settings.cache_clear()


def judge(tables: Path, weeks: list[date] | None = None) -> list[Judgement]:
    """Judge weeks of tables alone, as the application does."""
    given = DriftInput(params(), tables, None, None, settings().home / "drift")
    return run(SHOP_RANKING, given, weeks)


def params(**drift: object) -> Params:
    return Params.model_validate({"data": {"dataset": "tables", "path": "."}, "drift": drift})


def test_the_week_of_the_feast_raises_the_alarm_and_others_do_not(home, tmp_path):
    tables = write_shop(tmp_path / "tables", feast=10)
    judged = judge(tables, [])
    alarmed = {(judgement.week, judgement.name) for judgement in judged if judgement.alarm}
    assert alarmed == {(date(2024, 3, 11), "category")}
    (line,) = alarms(judged)
    assert line.startswith("2024-03-11 ALARM input: category 2.")
    only = judge(tables, [date(2024, 3, 14)])  # any day of the week
    assert alarms(only) == [line]
    assert len(list(home.rglob("snapshots/*.json"))) == WEEKS  # one a week, though one ran twice
    assert {judgement.week for judgement in judge(tables)} == {date(2024, 3, 18)}  # the last


def test_a_week_that_is_not_over_is_refused(home, tmp_path):
    tables = write_shop(tmp_path / "tables")
    with pytest.raises(ParamsError, match="found the week of 2024-03-25"):
        judge(tables, [date(2024, 3, 25)])
    assert not home.exists()


def test_an_unknown_time_zone_is_one_line(tmp_path):
    with pytest.raises(DataError, match=r"drift\.timezone") as refused:
        read_rows(write_shop(tmp_path / "tables"), None, "Mars/Olympus")
    assert "\n" not in str(refused.value)


def test_hours_are_those_of_the_shop(tmp_path):
    tables = write_shop(tmp_path / "tables")
    hours = {
        zone: next(
            statistic
            for statistic in input_statistics(read_rows(tables, None, zone), DriftParams())
            if statistic.name == "hour"
        ).labels
        for zone in ("UTC", "America/New_York")
    }
    assert "19" in hours["UTC"]
    assert "19" not in hours["America/New_York"]
    assert "4" in hours["America/New_York"]


def labelled(day: datetime, hit: int) -> pa.Table:
    """One answer of three items; the one at position `hit` was bought."""
    return pa.table(
        {
            "impression_id": ["a"] * 3,
            "timestamp": pa.array([day] * 3, schemas.UTC),
            "position": [1, 2, 3],
            "score": pa.array([3.0, 2.0, 1.0], pa.float32()),
            "clicked": [False] * 3,
            "purchased": [position == hit for position in (1, 2, 3)],
        }
    )


def test_feedback_takes_over_and_its_labels_are_ranking_quality(tmp_path):
    tables, feedback = write_shop(tmp_path / "tables"), tmp_path / "feedback"
    start = FIRST + timedelta(weeks=10)
    bought = {
        "event_id": "e1", "user_id": "u1", "timestamp": start, "received_at": start,
        "event_type": "purchase", "item_id": "i2", "session_id": "s", "price": 2.0, "value": 1.0,
    }  # fmt: skip
    last = {**bought, "event_id": "e2", "timestamp": FIRST + timedelta(weeks=12, minutes=-1)}
    events = pa.Table.from_pylist([bought, last], schema=schemas.SERVED_EVENTS)
    write_table(events, feedback / f"day={start.date()}" / "events.parquet")
    for day, hit in ((start, 1), (start + timedelta(weeks=1), 2)):
        path = feedback / f"day={day.date()}" / "labelled.parquet"
        write_table(labelled(day, hit), path)
    rows = read_rows(tables, feedback, "UTC")
    (category,) = (
        statistic
        for statistic in input_statistics(rows, DriftParams())
        if statistic.name == "category"
    )
    assert category.counts_WB.sum(axis=1)[8:].tolist() == [280, 280, 1, 1]
    shown, quality = online_statistics(rows, DriftParams())
    assert shown.name == "shown score"
    assert [values.tolist() for values in quality.ndcg_W[10:]] == [
        [1.0], [pytest.approx(1 / np.log2(3))],
    ]  # fmt: skip


def test_bad_rows_are_counted_in_their_week(tmp_path):
    tables = write_shop(tmp_path / "tables")
    row = json.dumps({"timestamp": "2024-01-09T10:00:00Z", "item_id": None})
    bad = pa.Table.from_pylist(
        [{"table": "orders", "source": "o.csv", "reason": "no item", "row": row}] * 5,
        schema=schemas.QUARANTINE,
    )
    write_table(bad, tables / "quarantine.parquet")
    by_name = {
        statistic.name: statistic
        for statistic in data_quality_statistics(read_rows(tables, None, "UTC"))
    }
    assert by_name["quarantined rows"].bad_W.tolist() == [0, 5, *[0] * 10]
    assert by_name["missing values"].value(0) == 0
    assert by_name["repeated lines"].value(0) == 0


def test_ndcg_against_what_was_bought():
    shown = np.array([[3, 1, -1], [2, 0, 1]])
    shown = np.pad(shown, ((0, 0), (0, 7)), constant_values=-1)
    ndcg = ndcg_of_shown(shown, np.array([0, 0, 1]), np.array([1, 9, 2]))
    second = 1 / np.log2(3)
    assert ndcg.tolist() == pytest.approx([second / (1 + second), 1.0])


def test_the_web_hook_gets_the_alarms_and_one_that_refuses_is_an_error(monkeypatch):
    bodies = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200 if len(bodies) == 1 else 500)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("SHOPFUSION_DRIFT_WEBHOOK", f"http://127.0.0.1:{server.server_port}/")
    settings.cache_clear()
    try:
        raise_alarm(["one", "two"])
        assert bodies == [{"text": "one\ntwo"}]
        with pytest.raises(ServiceError, match="to take 1 alarms"):
            raise_alarm(["one"])
        raise_alarm([])
        assert len(bodies) == 2
    finally:
        server.shutdown()
        settings.cache_clear()
