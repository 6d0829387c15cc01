"""The runner: what is absent is skipped, and each row owns its part of the page."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.quality import __main__ as runner
from benchmarks.quality.report import Report, short, with_interval
from benchmarks.quality.rows import ROWS, Task
from benchmarks.quality.writing import Facts, write_row

FACTS = {name: Facts(name, Task(Path(), 1.0, 7), 3.0, 900.0) for name in ("one", "other")}


def report(value: str) -> Report:
    made = Report(f"Row {value}", notes=["a note"])
    made.table("A table", "model", "value").add("model", value)
    return made


def test_a_row_replaces_its_own_part_and_no_other(tmp_path: Path) -> None:
    page = tmp_path / "quality.md"
    write_row(page, report(".1"), FACTS["one"])
    write_row(page, report(".2"), FACTS["other"])
    write_row(page, report(".3"), FACTS["one"])
    text = page.read_text()
    assert "| model | .3 |" in text
    assert "| model | .1 |" not in text
    assert "| model | .2 |" in text
    assert text.index("Row .3") < text.index("Row .2")
    assert "seed 7, 3 s, peak 900 MB" in text


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.needs])
def test_a_row_without_its_data_is_skipped_with_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert runner.main([name, "--data", str(tmp_path), "--page", str(tmp_path / "page.md")]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(name)]
    assert len(lines) == 1
    assert "skipped, no" in lines[0]
    assert not (tmp_path / "page.md").exists()


STAGE = """stages:
  fusion_training:
    cmd: python -c "{code}"
    outs: [models/fused]
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose pipeline has one stage."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("seed: 3\n")
    code = "import pathlib as p; p.Path('models/fused').mkdir(parents=True); " + (
        "p.Path('models/fused/chosen.json').write_text('1')"
    )
    (tmp_path / "dvc.yaml").write_text(STAGE.format(code=code))
    command = [sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"]
    subprocess.run(command, check=True, cwd=tmp_path)
    return tmp_path


def test_rows_of_the_main_job_have_it_trained_once(repository: Path) -> None:
    assert runner._with_run(["soups", "cold", "missing"]) == ["soups", "run", "cold", "missing"]
    page = repository / "page.md"
    assert runner.main(["run", "--page", str(page)]) == 0
    assert "The main job's run: complete-journey, seed 3" in page.read_text()
    assert runner._with_run(["cold"]) == ["cold"]  # it is there now
    assert "run" not in runner._with_run([])


def test_a_failed_training_is_one_line_and_its_rows_are_skipped(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "dvc.yaml").write_text(STAGE.format(code="raise SystemExit(1)"))
    assert runner.main(["cold", "--page", str(repository / "page.md")]) == 1
    said = capsys.readouterr().out
    assert "run: expected dvc repro fusion_training to succeed; found exit" in said
    assert "cold: skipped, no finished run in this folder" in said


def test_bad_data_is_one_line_and_leaves_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "beauty").mkdir()
    with gzip.open(tmp_path / "beauty" / "bad.txt.gz", "wt") as file:
        file.write("1 2 three\n")
    page = tmp_path / "page.md"
    assert runner.main(["beauty", "--data", str(tmp_path), "--page", str(page)]) == 1
    assert "beauty: expected lines 'shopper item item ...'" in capsys.readouterr().out
    assert not page.exists()


def test_an_unknown_row_is_refused() -> None:
    with pytest.raises(SystemExit):
        runner.main(["nothing"])


def test_numbers_are_written_short_and_with_their_interval() -> None:
    assert short(0.05312) == ".0531"
    assert short(-0.012, 3) == "-.012"
    assert short(1.0, 3) == "1.000"
    assert with_interval([0.5] * 20, seed=0, digits=2) == ".50 [.50, .50]"
