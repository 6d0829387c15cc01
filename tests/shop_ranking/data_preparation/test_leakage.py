"""Whatever happens after a cut, the tables of that cut keep every byte, targets excepted."""

import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from components.platform import schemas
from components.platform.files import read_table
from tests.shop_ranking.data_preparation.shop import (
    events,
    moment,
    prepare,
    products,
    table,
    write_tables,
)
from tests.world import CUTS, HORIZON_DAYS, TinyWorld

FIXED_CUTS = {
    "validation_cut": "2024-03-11",
    "test_cut": "2024-03-25",
    "horizon_days": HORIZON_DAYS,
    "min_item_sessions": 2,
}


def another_future(rows: pa.Table, start: datetime, column: str) -> pa.Table:
    """Shuffle a column among the rows at or after `start`."""
    later = pc.greater_equal(rows["timestamp"], pa.scalar(start, schemas.UTC)).to_numpy()
    values = rows[column].to_numpy(zero_copy_only=False).copy()
    values[later] = np.random.default_rng(1).permutation(values[later])
    place = rows.column_names.index(column)
    return rows.set_column(place, rows.schema.field(column), pa.array(values, from_pandas=True))


def intruders(past: pa.Table, items: list[str], start: datetime) -> pa.Table:
    """Purchases at the very instant of the cut and after it: in sessions that are still open, by
    shoppers who were never seen, and enough of every item to make it eligible."""
    known = past.slice(0, 200).to_pylist()
    rows = [
        {**row, "event_type": "purchase", "timestamp": start, "item_id": items[n % len(items)]}
        for n, row in enumerate(known)
    ]
    rows += [
        {"user_id": f"!new-{n}", "timestamp": start, "event_type": "purchase", "item_id": item}
        for n in range(3)
        for item in items
    ]
    return table("events", [{**row, "event_id": f"x{n:06d}"} for n, row in enumerate(rows)])


@pytest.mark.parametrize("name", ["fit_1", "test"])
def test_a_cut_does_not_see_the_future(tiny_world: TinyWorld, tmp_path: Path, name: str) -> None:
    before = tiny_world.prepared
    cut = next(c for c in json.loads((before / "cuts.json").read_text()) if c["name"] == name)
    start = moment(tiny_world.days_until(cut["day"]))
    source = tiny_world.path("data_preparation", "tables")
    tables = {n: read_table(source / f"{n}.parquet") for n in ("products", "images", "orders")}
    events = read_table(source / "events.parquet")
    past = events.filter(pc.less(events["timestamp"], pa.scalar(start, schemas.UTC)))
    items = sorted(tables["products"]["item_id"].to_pylist(), reverse=True)
    changed = pa.concat_tables(
        [another_future(events, start, "item_id"), intruders(past, items, start)]
    )
    tables["orders"] = another_future(tables["orders"], start, "unit_price")
    write_tables(tmp_path / "tables", events=changed, **tables)
    after = prepare(tmp_path, tmp_path / "tables", **FIXED_CUTS)

    assert [c["day"] for c in json.loads((after / "cuts.json").read_text())] == [
        c["day"] for c in json.loads((before / "cuts.json").read_text())
    ]
    for seen in CUTS[: CUTS.index(name) + 1]:
        for file in sorted((before / "cuts" / seen).iterdir()):
            if file.stem not in {"targets", "item_stats"}:
                assert file.read_bytes() == (after / "cuts" / seen / file.name).read_bytes(), file
        # Later items add rows that are not eligible; those of the cut's catalogue stay.
        old, new = (
            read_table(root / "cuts" / seen / "item_stats.parquet") for root in (before, after)
        )
        eligible = pc.sum(old["eligible"]).as_py()
        assert old.slice(0, eligible).equals(new.slice(0, eligible))
        for rest in (old.slice(eligible), new.slice(eligible)):
            assert not pc.any(rest["eligible"]).as_py()
            assert not pc.sum(rest["sessions"]).as_py()
    wanted = [(root / "cuts" / name / "targets.parquet").read_bytes() for root in (before, after)]
    assert wanted[0] != wanted[1]  # the future did change


def test_an_event_at_the_cut_is_a_target_and_one_before_it_is_history(tmp_path: Path) -> None:
    rows = [(f"u{u}", day + u / 1000, "i0") for u in range(3) for day in (1, 20, 30, 50)]
    rows += [("u0", 28 + 14 - 0.3 / 86400, "i1"), ("u1", 42, "i1"), ("u2", 41.5, "i1")]
    rows += [("u2", 56, "i1")]  # the first instant after the window
    write_tables(tmp_path / "t", events=events(rows), products=products(["i0", "i1"]))
    prepared = prepare(
        tmp_path, tmp_path / "t", test_cut=moment(42).date().isoformat(), fit_cuts=0,
        min_item_sessions=1,
    )  # fmt: skip
    users = read_table(prepared / "users.parquet")["user_id"].to_pylist()
    items = read_table(prepared / "items.parquet")["item_id"].to_pylist()
    state = read_table(prepared / "cuts/test/user_item.parquet").to_pylist()
    bought = {(users[r["user_index"]], items[r["item_index"]]): r for r in state}
    assert set(bought) == {("u0", "i0"), ("u1", "i0"), ("u2", "i0"), ("u0", "i1"), ("u2", "i1")}
    assert 0 < bought["u0", "i1"]["days_since_last"] < 2 / 86400
    wanted = read_table(prepared / "cuts/test/targets.parquet").to_pylist()
    targets = {(users[r["user_index"]], items[r["item_index"]]): r["is_repeat"] for r in wanted}
    assert targets == {
        ("u0", "i0"): True,
        ("u1", "i0"): True,
        ("u2", "i0"): True,
        ("u1", "i1"): False,
    }
