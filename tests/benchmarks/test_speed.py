"""Row 2 on a small file: both programs train, one after the other, and the ranking is timed."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.quality.rows import Task
from benchmarks.quality.speed import row
from benchmarks.quality.speed.environment import rectools_python
from components.platform.errors import ServiceError

pytestmark = pytest.mark.long  # rows are measured whole

SHOPPERS, ITEMS = 300, 80
DATA = Path(os.environ.get("SHOPFUSION_BENCHMARK_DATA", "../shared/data"))
BEAUTY = DATA / "beauty" / "Beauty.txt.gz"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    lines = [
        " ".join(map(str, [shopper + 1, *rng.integers(1, ITEMS + 1, rng.integers(4, 12))]))
        for shopper in range(SHOPPERS)
    ]
    path = tmp_path_factory.mktemp("data") / "beauty"
    path.mkdir()
    with gzip.open(path / "Walks.txt.gz", "wt") as file:
        file.write("\n".join(lines) + "\n")
    return path.parent


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("state") / "rectools"
    try:
        rectools_python(folder)
    except ServiceError as error:
        pytest.skip(f"RecTools cannot be installed here: {error}")
    return folder


def test_an_epoch_of_ours_stands_beside_one_of_rectools(
    folder: Path, environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row, "ENVIRONMENT", environment)
    monkeypatch.setattr(row, "TURNS", 1)
    threads = torch.get_num_threads()
    report = row.run(Task(folder, 1.0, 0))
    (table,) = report.tables
    assert "SASRec, Walks" in report.title
    names, _, rates, shares = zip(*table.rows, strict=True)
    assert names[0].startswith("RecTools")
    assert names[1].startswith("order tower")
    assert all(float(rate.replace(",", "")) > 0 for rate in rates)
    assert shares[0] == "1.00"
    assert float(shares[1]) > 0  # which is faster is for the row to say, on a whole file
    assert "256 negatives (extrapolated from" in names[2]
    assert all(name in report.notes[1] for name in ("rectools 0.19.0", "numpy 1.", "torch 2."))
    assert f"Full ranking of {SHOPPERS} shoppers" in report.notes[0]
    assert torch.get_num_threads() == threads  # what is trained next in this process is the same


def test_an_environment_of_another_lock_is_made_anew(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[str, ...]] = []
    monkeypatch.setattr("benchmarks.quality.speed.environment._run", lambda *a: made.append(a))
    rectools_python(environment)
    assert not made
    (environment / "ready").write_text("of another lock")
    rectools_python(environment)
    assert made[0][1] == "venv"


@pytest.mark.skipif(not BEAUTY.exists(), reason=f"no {BEAUTY}")
def test_a_sample_of_the_public_file(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row, "ENVIRONMENT", environment)
    report = row.run(Task(BEAUTY, 0.01, 0))
    assert "Full ranking of 223 shoppers" in report.notes[0]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_both_programs_train_on_cuda(
    folder: Path, environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row, "ENVIRONMENT", environment)
    assert "Both on cuda" in row.run(Task(folder, 1.0, 0)).notes[1]
