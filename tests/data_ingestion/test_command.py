"""`python -m components` on bad input: one line, exit code not 0, the old output stays."""

import resource
import subprocess
import sys

import pytest
import yaml

from tests.data_ingestion.conftest import USERS, Shop, append


def run_stage(shop: Shop, stage: str, bytes_a_file: int | None = None, **data) -> str:
    """Run `python -m components <stage>` in the run folder; returns its standard error."""
    shop.run.mkdir(exist_ok=True)
    values = shop.params().model_dump(mode="json")
    values["data"] |= data
    (shop.run / "params.yaml").write_text(yaml.safe_dump(values))

    def limit() -> None:
        if bytes_a_file:
            resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_a_file, bytes_a_file))

    done = subprocess.run(
        [sys.executable, "-m", "components", stage],
        cwd=shop.run,
        capture_output=True,
        text=True,
        preexec_fn=limit,
        check=False,
    )
    assert (done.returncode == 0) == (not done.stderr), done.stderr
    return done.stderr


@pytest.mark.parametrize("stage", ["data_acquisition", "data_ingestion"])
def test_a_full_disk_is_one_line_and_leaves_the_old_output(shop: Shop, stage: str) -> None:
    shop.ingest()
    before = {p: p.read_bytes() for p in sorted(shop.run.rglob("*")) if p.is_file()}
    append(shop.source / "orders.csv", f"o99,{USERS[0]},2024-03-05,p1,1,1")
    error = run_stage(shop, stage, bytes_a_file=1000)
    assert error.count("\n") == 1
    assert error.startswith(f"{stage}: expected to write data/")
    assert "free disk space" in error
    (shop.run / "params.yaml").unlink()
    assert {p: p.read_bytes() for p in sorted(shop.run.rglob("*")) if p.is_file()} == before


def test_an_unknown_dataset_is_one_line(shop: Shop) -> None:
    error = run_stage(shop, "data_acquisition", dataset="shop-of-horrors")
    assert error.count("\n") == 1
    assert "data.dataset" in error
    assert "'shop-of-horrors'" in error
