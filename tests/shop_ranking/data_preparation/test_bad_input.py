"""Bad input through the command: exit code 3, one line that helps, nothing half-written."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from components.__main__ import main
from components.platform.errors import REFUSED
from tests.shop_ranking.data_preparation.shop import contents, events, weekly_shop, write_tables

Spoil = Callable[[Path], None]


def run_folder(folder: Path, **preparation: object) -> Path:
    """A run folder with good tables and a first, good output that must survive."""
    write_tables(folder / "data/tables", **weekly_shop())
    values = {"horizon_days": 14, "min_item_sessions": 2, "fit_cuts": 1, **preparation}
    (folder / "params.yaml").write_text(yaml.safe_dump({"preparation": values}))
    (folder / "data/prepared").mkdir()
    (folder / "data/prepared/earlier").write_text("a result of an earlier run")
    return folder


def remove(name: str) -> Spoil:
    return lambda tables: (tables / name).unlink()


def write(name: str, rows: pa.Table) -> Spoil:
    return lambda tables: pq.write_table(rows, tables / name)


def text(name: str, content: str) -> Spoil:
    return lambda tables: (tables / name).write_text(content) and None


good = weekly_shop()["events"]
searches = events([("u", 1, None)], "search")
seconds = good.set_column(3, "timestamp", good["timestamp"].cast(pa.timestamp("s", tz="UTC")))
BAD_TABLES: dict[str, tuple[Spoil, str]] = {
    "missing file": (remove("events.parquet"), "found none; run the stage data_ingestion again"),
    "missing products": (remove("products.parquet"), "products.parquet; found none"),
    "missing note": (remove("ingestion.json"), "ingestion.json; found none"),
    "broken note": (text("ingestion.json", "{"), "expected JSON in"),
    "not parquet": (text("events.parquet", "a,b\n1,2\n"), "a Parquet file at"),
    "wrong columns": (write("events.parquet", good.drop(["item_id"])), "a column item_id in"),
    "wrong type": (write("events.parquet", seconds), "timestamp[us, tz=UTC] in column timestamp"),
    "empty table": (write("events.parquet", good.slice(0, 0)), "found an empty table"),
    "no item": (write("events.parquet", searches), "on items; found none"),
}
BAD_PARAMS: dict[str, tuple[dict[str, object], str]] = {
    "as-of before the data": ({"as_of": "2020-01-01"}, "on items; found none"),
    "test after the data": ({"test_cut": "2025-01-01"}, "events before the first cut and on or"),
    "validation before the data": (
        {"validation_cut": "2023-06-01", "test_cut": "2024-04-01"},
        "events before the first cut and on or after the test cut",
    ),
    "overlap": (
        {"validation_cut": "2024-04-01", "test_cut": "2024-04-05"},
        "validation 2024-04-01, test 2024-04-05",
    ),
    "nothing sold often enough": ({"min_item_sessions": 1000}, "lower preparation.min_item"),
    "nothing sold often enough yet": (
        {"validation_cut": "2024-02-01", "test_cut": "2024-05-01", "min_item_sessions": 30},
        "targets in the 14 days from 2024-01-18 (cut fit_1)",
    ),
    "out of range": ({"horizon_days": 0}, "a valid preparation.horizon_days in params.yaml"),
}


def assert_refused(folder: Path, code: int, errors: str, message: str) -> None:
    assert code == REFUSED
    assert message in errors
    assert errors.startswith("data_preparation: expected ")
    assert errors.count("\n") == 1
    assert contents(folder / "data/prepared") == {"earlier": b"a result of an earlier run"}
    assert {path.name for path in (folder / "data").iterdir()} == {"tables", "prepared"}
    assert not list((folder / "reports").glob("*"))


@pytest.mark.parametrize(("spoil", "message"), BAD_TABLES.values(), ids=BAD_TABLES)
def test_bad_tables(
    spoil: Spoil,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil(run_folder(tmp_path) / "data/tables")
    monkeypatch.chdir(tmp_path)
    assert_refused(tmp_path, main(["data_preparation"]), capsys.readouterr().err, message)


@pytest.mark.parametrize(("values", "message"), BAD_PARAMS.values(), ids=BAD_PARAMS)
def test_bad_params(
    values: dict[str, object],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_folder(tmp_path, **values)
    monkeypatch.chdir(tmp_path)
    assert_refused(tmp_path, main(["data_preparation"]), capsys.readouterr().err, message)


def test_the_command_itself(tmp_path: Path) -> None:
    run_folder(tmp_path, test_cut="2025-01-01")
    command = [sys.executable, "-m", "components", "data_preparation"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert_refused(tmp_path, done.returncode, done.stderr, "choose other cuts")
