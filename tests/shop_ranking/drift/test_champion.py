"""What is watched of a champion: every change raises its own alarm, and no other."""

import os
from datetime import date
from pathlib import Path

import pytest

from components.platform.application import DriftInput
from components.platform.drift.monitoring import run
from components.platform.settings import settings
from components.shop_ranking.application import SHOP_RANKING
from components.shop_ranking.params import Params
from tests.registries import new_registry
from tests.shop_ranking.drift.known_weeks import CHANGED, monday, register, write_tables

pytestmark = pytest.mark.long  # sixteen weeks, each with its reports

CALM = (7, 13)
PARAMS = Params.model_validate(
    {"data": {"dataset": "tables", "path": "."}, "drift": {"false_alarms": 0.01}}
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SHOPFUSION_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SHOPFUSION_MLFLOW_URI", new_registry(tmp_path))
    monkeypatch.chdir(tmp_path)  # artifacts of the registry
    settings.cache_clear()
    return tmp_path / "home"


def alarms_of(judged: list) -> set[tuple[date, str]]:
    return {(judgement.week, judgement.name) for judgement in judged if judgement.alarm}


def test_each_change_of_what_the_champion_makes_of_a_week_raises_its_own_alarm(
    served_packages: Path, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    champion = register(served_packages, "fused-ranker", {})
    tables = write_tables(served_packages, tmp_path / "tables")
    weeks = [monday(week) for week in (*CHANGED, *CALM)]
    given = DriftInput(PARAMS, tables, None, champion, home / "drift")
    judged = run(SHOP_RANKING, given, weeks)
    assert alarms_of(judged) == {(monday(week), name) for week, name in CHANGED.items()}
    judged_names = {judgement.name for judgement in judged if judgement.threshold is not None}
    assert set(CHANGED.values()) <= judged_names
    first_ranked = min(judgement.week for judgement in judged if judgement.name == "ndcg@10")
    assert first_ranked == monday(13)  # week 12 was not asked for; earlier ones it was trained on

    (kept,) = (home / "drift").glob("*.npz")
    before = kept.stat().st_ino
    for age, name in ((1, "earlier"), (2, "earliest")):
        rankings = kept.with_name(f"{name}.npz")
        rankings.touch()
        then = kept.stat().st_mtime - 60 * age
        os.utime(rankings, (then, then))
    again = run(SHOP_RANKING, given, [monday(14)])
    assert alarms_of(again) == {(monday(14), "ndcg@10")}
    assert kept.stat().st_ino == before  # ranked once a version
    assert {path.stem for path in kept.parent.glob("*.npz")} == {kept.stem, "earlier"}
    assert "removed rankings of earlier champions" in capsys.readouterr().out
