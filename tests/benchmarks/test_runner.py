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

pytestmark = pytest.mark.long  # rows are measured whole

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


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.needs or row.histories])
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


def test_rows_of_the_main_job_have_it_trained_once(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert runner.with_run(["soups", "cold", "missing"]) == ["soups", "run", "cold", "missing"]
    assert runner.with_run(["cold", "run"]) == ["run", "cold"]
    assert runner.with_run(["soups"]) == ["soups"]
    assert runner.with_run([]) == list(ROWS)
    page = repository / "page.md"
    assert runner.main(["run", "--page", str(page)]) == 0
    written = page.read_text()
    assert "The main job's run: complete-journey, seed 3" in written
    assert "Stages that were run: fusion_training." in written
    assert "seed 3, " in written
    capsys.readouterr()
    assert runner.main(["run", "--page", str(page)]) == 0  # it is there now
    assert "Nothing had changed" in capsys.readouterr().out
    assert page.read_text() == written  # seconds of a cached run are not its seconds


def test_a_run_that_something_changed_for_is_trained_again(repository: Path) -> None:
    page = repository / "page.md"
    assert runner.main(["run", "--page", str(page)]) == 0
    pipeline = repository / "dvc.yaml"
    pipeline.write_text(pipeline.read_text().replace("write_text('1')", "write_text('2')"))
    assert runner.main(["run", "--page", str(page)]) == 0
    assert (repository / "models/fused/chosen.json").read_text() == "2"


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--seed", "5"], "expected seed 3 of params.yaml; found --seed 5; set seed"),
        (["--data", "."], "expected the data of params.yaml (complete-journey) alone; found"),
    ],
)
def test_what_the_run_cannot_take_is_refused_in_one_line(
    option: list[str], said: str, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert runner.main(["run", *option, "--page", "-"]) == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "expected" in line]
    assert line.startswith(f"run: {said}")
    assert not (repository / "models").exists()


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
    assert "beauty bad: expected lines 'shopper item item ...'" in capsys.readouterr().out
    assert not page.exists()


@pytest.mark.parametrize(
    "arguments",
    [["nothing"], ["soups", "--sample", "0"], ["soups", "--sample", "2"], ["soups", "--seed", "-1"],
     ["beauty", "--data", "/nowhere/Sports.txt"]],
)  # fmt: skip
def test_an_unknown_row_share_seed_or_folder_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        runner.main(arguments)


def test_each_file_of_histories_has_its_own_part_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "Sports.txt").write_text("1 2 3 4\n")
    with gzip.open(tmp_path / "Toys.txt.gz", "wt") as file:
        file.write("1 2 3 4\n")
    (tmp_path / "Toys_sample.txt").write_text("1 2 3 4\n")  # S3-Rec's sampled negatives
    asked: list[Path] = []

    def measured(module: str, task: Task) -> tuple[Report, float]:
        asked.append(task.data)
        return report(task.data.name), 1.0

    monkeypatch.setattr(runner, "run_apart", measured)
    page = tmp_path / "page.md"
    assert runner.main(["beauty", "--data", str(tmp_path), "--page", str(page)]) == 0
    histories = tmp_path / "Sports.txt"
    assert runner.main(["beauty", "speed", "--data", str(histories), "--page", str(page)]) == 0
    assert [file.name for file in asked] == [
        "Sports.txt",
        "Toys.txt.gz",
        "Sports.txt",
        "Sports.txt",
    ]
    blocks = ("beauty Sports", "beauty Toys", "speed Sports")
    assert [page.read_text().count(f"<!-- {name}: begin -->") for name in blocks] == [1, 1, 1]
    before = page.read_text()
    capsys.readouterr()
    assert runner.main(["beauty", "--data", str(histories), "--page", "-"]) == 0
    assert "### Row Sports.txt" in capsys.readouterr().out
    assert page.read_text() == before
    assert not Path("-").exists()


def test_numbers_are_written_short_and_with_their_interval() -> None:
    assert short(0.05312) == ".0531"
    assert short(-0.012, 3) == "-.012"
    assert short(1.0, 3) == "1.000"
    assert with_interval([0.5] * 20, seed=0, digits=2) == ".50 [.50, .50]"
