"""The stage on shops of every kind: same bytes again, and whatever a dataset lacks."""

import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from components.platform import schemas
from components.platform.errors import DataError
from components.platform.files import read_table
from components.shop_ranking.params import Params
from tests.shop_ranking.data_preparation.shop import (
    contents,
    events,
    moment,
    prepare,
    table,
    weekly_shop,
    write_tables,
)
from tests.world import CUTS, HORIZON_DAYS, TinyWorld


def test_the_order_of_the_rows_changes_no_byte(tiny_world: TinyWorld, tmp_path: Path) -> None:
    """Runs on shuffled rows give the bytes of the world's own run, plots included."""
    source = tiny_world.path("data_preparation", "tables")
    mixed = tmp_path / "tables"
    mixed.mkdir()
    draw = np.random.default_rng(3)
    for file in source.iterdir():
        if file.suffix == ".parquet":
            rows = read_table(file)
            shuffled = rows.take(pa.array(draw.permutation(rows.num_rows)))
            write_tables(mixed, **{file.stem: shuffled})
    (mixed / "ingestion.json").write_bytes((source / "ingestion.json").read_bytes())
    prepared = prepare(tmp_path, mixed, horizon_days=HORIZON_DAYS, min_item_sessions=2)
    assert contents(prepared) == contents(tiny_world.prepared)
    summary = tiny_world.path("data_preparation", "summary")
    assert contents(tmp_path / "summary") == contents(summary)


def test_every_table_keeps_its_schema(tiny_world: TinyWorld) -> None:
    schemas_of = {
        "items": schemas.ITEMS,
        "users": schemas.USERS,
        "images": schemas.ITEM_IMAGES,
        **{f"cuts/{cut}/{name}": s for cut in CUTS for name, s in schemas.CUT_TABLES.items()},
    }
    for name, schema in schemas_of.items():
        rows = read_table(tiny_world.prepared / f"{name}.parquet")
        assert rows.schema.equals(schema), name
        assert rows.num_rows > 0, name
    for name in ("item", "user"):
        index = read_table(tiny_world.prepared / f"{name}s.parquet")[f"{name}_index"]
        assert index.to_pylist() == list(range(len(index)))


def test_missing_text_and_pictures_stay_missing(tiny_world: TinyWorld) -> None:
    items = read_table(tiny_world.prepared / "items.parquet").to_pandas()
    pictures = read_table(tiny_world.prepared / "images.parquet")["item_index"].to_pylist()
    assert items.text.isna().sum() > 0
    assert not (items.text == "").any()
    assert set(items.item_index[items.has_image]) == set(pictures) != set(items.item_index)


@pytest.mark.parametrize("kind", ["purchase", "rating", "click"])
def test_a_shop_with_only_one_kind_of_event(tmp_path: Path, kind: str) -> None:
    """No orders, no pictures, no queries, no session ids: the strongest event is the target.

    The stars of a rating are not a number of pieces.
    """
    write_tables(tmp_path / "t", **weekly_shop(kind))
    prepared = prepare(tmp_path, tmp_path / "t")
    users = read_table(prepared / "cuts/test/user_stats.parquet").to_pylist()
    assert [row["sessions"] for row in users] == [18] * 4
    assert [row["mean_basket"] for row in users] == [2.0] * 4
    assert all(row["mean_price"] is None for row in users)
    wanted = read_table(prepared / "cuts/test/targets.parquet")
    assert pc.sum(wanted["quantity"]).as_py() == 16  # 4 shoppers x 2 weeks x 2 items
    assert not (tmp_path / "summary" / "prices.png").exists()
    assert read_table(prepared / "images.parquet").num_rows == 0


def test_session_ids_may_repeat_between_shoppers(tmp_path: Path) -> None:
    """Two shoppers' sessions "1" are two sessions, for eligibility as for pairs."""
    shop = weekly_shop()
    names = [
        str(round(row["timestamp"].timestamp()) // 604800) for row in shop["events"].to_pylist()
    ]
    place = shop["events"].column_names.index("session_id")
    shop["events"] = shop["events"].set_column(place, "session_id", pa.array(names))
    write_tables(tmp_path / "t", **shop)
    prepared = prepare(tmp_path, tmp_path / "t", fit_cuts=0)
    stats = read_table(prepared / "cuts/test/item_stats.parquet")
    assert sorted(stats["sessions"].to_pylist()) == [36, 54, 54]
    pairs = read_table(prepared / "cuts/test/item_pairs.parquet")
    assert sorted(pairs["sessions"].to_pylist()) == [18, 18, 18, 18, 36, 36]


def test_as_of_ignores_the_day_itself_in_every_time_zone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = weekly_shop()
    write_tables(tmp_path / "t", **shop)
    start = pa.scalar(moment(7 * 18), schemas.UTC)
    kept = shop["events"].filter(pc.less(shop["events"]["timestamp"], start))
    write_tables(tmp_path / "kept", events=kept, products=shop["products"])
    named = {"as_of": moment(7 * 18).date().isoformat(), "fit_cuts": 0}
    here = contents(prepare(tmp_path / "a", tmp_path / "kept", **named))
    monkeypatch.setenv("TZ", "America/Los_Angeles")
    time.tzset()
    try:
        there = contents(prepare(tmp_path / "b", tmp_path / "t", **named))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert here == there


def test_text_of_products(tmp_path: Path) -> None:
    """A product without any text has null, not an empty text; a long one is cut; an item that
    the catalogue lacks is no item."""
    rows = [(f"u{u}", 7 * w + u, f"i{i}") for w in range(12) for u in range(2) for i in range(3)]
    described = table(
        "products",
        [
            {"item_id": "i0", "title": " ", "category": ""},
            {"item_id": "i1", "title": "x" * 100_000},
        ],
    )
    write_tables(tmp_path / "t", events=events(rows), products=described)
    items = read_table(prepare(tmp_path, tmp_path / "t", fit_cuts=0) / "items.parquet").to_pydict()
    texts = dict(zip(items["item_id"], items["text"], strict=True))
    assert texts == {"i0": None, "i1": "x" * 2000}


def test_named_targets_must_exist(tmp_path: Path) -> None:
    write_tables(tmp_path / "t", **weekly_shop("click"))
    with pytest.raises(DataError, match=r"type purchase on items; found click \(160\)"):
        prepare(tmp_path, tmp_path / "t", target_events=["purchase"])


@pytest.mark.parametrize(
    "values",
    [
        {"target_events": []},
        {"target_events": ["search"]},
        {"horizon_days": 0},
        {"fit_cuts": 9},
        {"session_gap_minutes": 0},
        {"min_item_sessions": 0},
        {"as_of": "yesterday"},
        {"gap": 3},
    ],
)
def test_params_out_of_range_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="preparation"):
        Params.model_validate({"preparation": values})
