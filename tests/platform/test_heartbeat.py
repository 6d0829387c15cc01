"""A stage's sign of life."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from components.platform import heartbeat as module
from components.platform.heartbeat import heartbeat, in_words, last_line, last_seconds, stage_times
from components.platform.progress import part, running_part
from services import progress
from services.airflow_api import TaskRun
from tests.world import TinyWorld

ROOT = Path(__file__).resolve().parents[2]


class Spoken:
    """Lines of a heartbeat, and a wait for those that come."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from threading import Condition

        self.lines: list[str] = []
        self.changed = Condition()
        monkeypatch.setattr(module, "say", self._say)

    def _say(self, line: str) -> None:
        with self.changed:
            self.lines.append(line)
            self.changed.notify_all()

    def wait_for(self, pattern: str) -> None:
        def there() -> bool:
            return any(re.fullmatch(pattern, line) for line in self.lines)

        with self.changed:
            assert self.changed.wait_for(there, timeout=60), self.lines


@pytest.fixture
def spoken(monkeypatch: pytest.MonkeyPatch) -> Spoken:
    return Spoken(monkeypatch)


def test_it_says_how_long_on_what_and_how_long_it_took_the_last_time(
    tmp_path: Path, spoken: Spoken
):
    (tmp_path / "fusion_training.json").write_text('{"seconds": 253.2, "parts": {}}')
    with heartbeat("fusion_training", every=0.01, folder=tmp_path):
        spoken.wait_for(r"fusion_training: \d+ s, last time 4 min 13 s")
        with part("stacking", 3, 5):
            spoken.wait_for(
                r"fusion_training: \d+ s, now: stacking \(3 of 5\), last time 4 min 13 s"
            )
            with part("trees"):
                spoken.wait_for(r".*, now: stacking \(3 of 5\), trees, .*")
    assert running_part() == ""
    assert spoken.lines[0] == "fusion_training: begins, last time 4 min 13 s"
    # The longest part comes first; which one that is, the machine says.
    assert re.fullmatch(
        r"fusion_training: done in \d+ s \((trees .* s, stacking|stacking .* s, trees) .* s\)",
        spoken.lines[-1],
    )
    kept = json.loads((tmp_path / "fusion_training.json").read_text())
    assert set(kept["parts"]) <= {"stacking", "trees"}
    assert kept["seconds"] < 253


def test_a_stage_that_fails_leaves_the_time_of_the_run_before(tmp_path: Path, spoken: Spoken):
    (tmp_path / "evaluation.json").write_text('{"seconds": 12.0}')

    def fail() -> None:
        with heartbeat("evaluation", every=0.01, folder=tmp_path):
            spoken.wait_for(r"evaluation: \d+ s, last time 12 s")
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert last_seconds(tmp_path, "evaluation") == 12.0
    assert last_line(tmp_path, "evaluation") is None


def test_a_folder_that_takes_nothing_and_a_broken_file_fail_no_stage(
    tmp_path: Path, spoken: Spoken
):
    (tmp_path / "file").write_text("no folder")
    with heartbeat("evaluation", every=0.01, folder=tmp_path / "file"):
        spoken.wait_for(r"evaluation: \d+ s")
    assert "how long it took is not kept" in spoken.lines[-1]
    (tmp_path / "evaluation.json").write_text("[")
    assert last_seconds(tmp_path, "evaluation") is None


def test_of_processes_that_train_together_only_the_first_speaks(
    tmp_path: Path, spoken: Spoken, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RANK", "1")
    with heartbeat("text_pretraining", every=0.01, folder=tmp_path):
        pass
    assert spoken.lines == []


@pytest.mark.parametrize(
    ("seconds", "words"), [(42.2, "42 s"), (59.7, "1 min 0 s"), (130.4, "2 min 10 s")]
)
def test_in_words(seconds: float, words: str):
    assert in_words(seconds) == words


def test_the_demo_shows_it_too(tmp_path: Path, spoken: Spoken, capsys, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LOOKS", 0.0)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    (tmp_path / "fusion_training.json").write_text('{"seconds": 253.2}')

    class Airflow:
        """A run whose stage works until a line was asked for often enough."""

        def __init__(self) -> None:
            self.states: Iterator[str] = iter([*["running"] * 3, "success"])

        def run(self, dag: str, run_id: str) -> dict[str, str]:
            return {"state": next(self.states)}

        def tasks(self, dag: str, run_id: str) -> list[TaskRun]:
            return [TaskRun("fusion_training", "running", 1, datetime.now(UTC), None)]

    progress.watch(Airflow(), "training", "it", tmp_path)  # type: ignore[arg-type]
    assert "last time 4 min 13 s" in capsys.readouterr().out
    with (
        heartbeat("fusion_training", every=0.01, folder=tmp_path),
        part("stacking", 3, 5),
    ):
        spoken.wait_for(r".*stacking.*")
        spoken.lines.clear()
        spoken.wait_for(r".*stacking.*")  # the line before was kept
        progress.watch(Airflow(), "training", "it", tmp_path)  # type: ignore[arg-type]
    assert "now: stacking (3 of 5), last time 4 min 13 s" in capsys.readouterr().out


@pytest.mark.long
def test_the_command_tells_it(tmp_path: Path, tiny_world: TinyWorld):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "tables").symlink_to(tiny_world.path("data_preparation", "tables"))
    values = tiny_world.params.model_dump(mode="json")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-m", "components", "data_preparation"],
            cwd=tmp_path,
            env=os.environ | {"SHOPFUSION_HOME": str(tmp_path / "state"), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert re.search(r"^data_preparation: done in \d+ s \(.*cut test .* s", done.stdout, re.M)
    assert re.search(r"^data_preparation: begins, last time \d+ s$", done.stdout, re.M)
    assert last_seconds(stage_times(tmp_path / "state"), "data_preparation")
