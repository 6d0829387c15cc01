"""`python -m components drift`: what it returns, and what it says."""

from datetime import date
from pathlib import Path

import pytest
import yaml

from components.__main__ import main
from components.champions import Champion
from components.commands import drift
from components.platform.application import Application, DriftInput
from components.platform.errors import REFUSED
from components.platform.registered_run import RegisteredRun
from components.platform.settings import settings
from components.platform.tracking import Version
from components.shop_ranking.params import Params
from tests.running import ROOT
from tests.shop_ranking.drift.shop import write_shop

COMMAND = ["drift", "--application", "shop_ranking"]
FEAST = 10  # the week of 2024-03-11


@pytest.fixture(autouse=True)
def run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with params.yaml as the current one, and state of its own."""
    values = {"data": {"dataset": "tables", "path": "."}}
    written = Params.model_validate(values).model_dump(mode="json")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(written))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHOPFUSION_HOME", str(tmp_path / "home"))
    settings.cache_clear()


def test_an_alarm_is_a_line_and_another_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    tables = write_shop(tmp_path / "tables", feast=FEAST)
    asked = [*COMMAND, "--no-champion", "--tables", str(tables)]
    assert main([*asked, "--week", "2024-03-14"]) == 2  # any day of the week
    alarms = [line for line in capsys.readouterr().out.splitlines() if " ALARM " in line]
    assert {line.split(":")[0] for line in alarms} == {"2024-03-11 ALARM input"}
    assert main(asked) == 0  # the last complete week
    assert " ALARM " not in capsys.readouterr().out


def test_a_week_that_is_not_over_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    tables = write_shop(tmp_path / "tables")
    asked = [*COMMAND, "--no-champion", "--tables", str(tables), "--week", "2024-03-25"]
    assert main(asked) == REFUSED
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("drift: expected a complete week from 2024-01-01 to 2024-03-18; found ")


def test_without_a_champion_it_asks_for_tables(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*COMMAND, "--no-champion"])
    assert ended.value.code == 2
    assert "there is no champion: name the folder with --tables" in capsys.readouterr().err


def test_it_watches_what_the_champion_was_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = Version("fused-ranker", "3", "run", {"pipeline_run": "monday"})
    registered = RegisteredRun(tmp_path / "params.yaml", tmp_path / "tables of the run")
    judged: list[tuple[DriftInput, list[date] | None]] = []

    def judge(owner: Application, given: DriftInput, weeks: list[date] | None) -> list[object]:
        judged.append((given, weeks))
        return []

    monkeypatch.chdir(ROOT)  # where the policy is
    monkeypatch.setattr(drift, "champion_of", lambda owner: Champion(version, registered))
    monkeypatch.setattr(drift, "run", judge)
    feedback = tmp_path / "feedback"
    feedback.mkdir()
    assert main([*COMMAND, "--feedback", str(feedback)]) == 0
    assert main([*COMMAND, "--all"]) == 0
    ((given, weeks), (without, every)) = judged
    assert (given.champion, given.tables, weeks) == (version, registered.tables, None)
    assert (without.feedback, every) == (None, [])
    assert given.params.dataset == "tables"  # of the run, not of the checkout
    assert given.feedback is not None
