"""Every expression of the stage also compiles for Spark: nothing in it is DuckDB's own."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ibis
import pytest
from ibis.expr.types import Table

from tests.data_preparation.shop import prepare, weekly_shop, write_tables


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
