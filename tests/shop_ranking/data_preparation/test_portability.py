"""The stage gives the same tables on Spark as on DuckDB, by one setting."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pytest
import yaml
from ibis.expr.types import Table

from components.platform.files import read_table
from tests.shop_ranking.data_preparation.shop import prepare, weekly_shop, write_tables
from tests.world import TinyWorld

# A tiny world needs neither partitions nor code generated for each query.
SPARK_DEFAULTS = """
spark.sql.shuffle.partitions 1
spark.sql.codegen.wholeStage false
spark.sql.adaptive.enabled false
"""


@pytest.mark.long
@pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java, which is not installed")
def test_spark_prepares_the_same_tables(tiny_world: TinyWorld, tmp_path: Path) -> None:
    pytest.importorskip("pyspark", reason="`make install-scale` installs it")
    (tmp_path / "spark-defaults.conf").write_text(SPARK_DEFAULTS)
    engines = {
        "duckdb": {},
        "spark": {"SHOPFUSION_SPARK_MASTER": "local[2]", "SPARK_CONF_DIR": str(tmp_path)},
    }
    for name, more in engines.items():
        done = run_stage(tiny_world, tmp_path / name, more)
        assert done.returncode == 0, done.stderr
        ran_there = "SparkSession" in done.stderr or "WARN" in done.stderr
        assert ran_there == bool(more)
    duckdb, spark = (tmp_path / name / "data" / "prepared" for name in engines)
    assert json.loads((duckdb / "cuts.json").read_text()) == json.loads(
        (spark / "cuts.json").read_text()
    )
    names = sorted(path.relative_to(duckdb) for path in duckdb.rglob("*.parquet"))
    assert len(names) == 3 + 2 * 7  # of the shop, and of each of two cuts
    for name in names:
        assert_equal(read_table(duckdb / name), read_table(spark / name), str(name))


@pytest.mark.long
def test_spark_without_java_is_one_line(tiny_world: TinyWorld, tmp_path: Path) -> None:
    pytest.importorskip("pyspark", reason="`make install-scale` installs it")
    more = {"SHOPFUSION_SPARK_MASTER": "local[2]", "JAVA_HOME": str(tmp_path / "nowhere")}
    done = run_stage(tiny_world, tmp_path / "shop", more)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "expected a Spark session of local[2]; found " in done.stderr.splitlines()[-1]
    assert not (tmp_path / "shop" / "data" / "prepared").exists()


def run_stage(
    world: TinyWorld, folder: Path, more: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Prepare the world's tables, of its last two cuts, in a process of its own."""
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "tables").symlink_to(world.path("data_preparation", "tables"))
    values = world.params.model_dump(mode="json")
    values["preparation"]["fit_cuts"] = 0
    (folder / "params.yaml").write_text(yaml.safe_dump(values))
    return subprocess.run(
        [sys.executable, "-m", "components", "data_preparation"],
        cwd=folder,
        env=os.environ | more,
        capture_output=True,
        text=True,
        check=False,
    )


def assert_equal(left: pa.Table, right: pa.Table, name: str) -> None:
    """Hold two tables equal, in their order; floats to 1e-6 of their size."""
    assert left.schema == right.schema, name
    assert left.num_rows == right.num_rows, name
    for field in left.schema:
        ours, other = left[field.name], right[field.name]
        if pa.types.is_list(field.type):
            assert ours.combine_chunks().offsets == other.combine_chunks().offsets, (name, field)
            ours, other = ours.combine_chunks().flatten(), other.combine_chunks().flatten()
        if pa.types.is_floating(ours.type):
            assert ours.is_null().equals(other.is_null()), (name, field)
            close = {"rtol": 1e-6, "atol": 1e-6}
            np.testing.assert_allclose(ours.to_numpy(), other.to_numpy(), **close, err_msg=name)
        else:
            assert ours.to_pylist() == other.to_pylist(), (name, field)


def test_every_expression_compiles_for_spark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[str] = []
    # Ibis registers the options of an engine when its package is imported; this is Spark's.
    spark = SimpleNamespace(treat_nan_as_null=False)
    monkeypatch.setattr(type(ibis.options), "pyspark", spark, raising=False)
    for name in ("to_pyarrow", "cache"):
        compute = getattr(Table, name)

        def spy(table: Table, *args: Any, compute: Any = compute, **options: Any) -> Any:
            compiled.append(str(ibis.to_sql(table, dialect="pyspark")))
            return compute(table, *args, **options)

        monkeypatch.setattr(Table, name, spy)
    write_tables(tmp_path / "t", **weekly_shop())
    prepare(tmp_path, tmp_path / "t", fit_cuts=0)
    assert len(compiled) > 30
    assert all(sql.startswith(("SELECT", "WITH")) for sql in compiled)
