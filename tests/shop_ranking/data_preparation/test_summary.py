"""The data summary: right numbers, readable plots, one self-contained page."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.platform.files import read_table
from components.shop_ranking.data_preparation.canvas import spread
from components.shop_ranking.data_preparation.plots import PLOTS
from tests.shop_ranking.data_preparation.shop import prepare, weekly_shop, write_tables
from tests.world import TinyWorld


@pytest.fixture(scope="module")
def folder(tiny_world: TinyWorld) -> Path:
    return tiny_world.path("data_preparation", "summary")


@pytest.fixture(scope="module")
def numbers(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "summary.json").read_text()))


def test_numbers_are_those_of_the_tables(numbers: dict[str, Any], tiny_world: TinyWorld) -> None:
    tables = tiny_world.path("data_preparation", "tables")
    events = read_table(tables / "events.parquet").to_pandas()
    assert numbers["events"]["count"] == len(events)
    assert numbers["events"]["shoppers"] == events.user_id.nunique()
    counts = {kind: sum(weeks.values()) for kind, weeks in numbers["events"]["by_week"].items()}
    assert counts == events.event_type.value_counts().to_dict()
    orders = read_table(tables / "orders.parquet").to_pandas()
    assert numbers["prices"]["lines"] == len(orders)
    assert numbers["prices"]["discounted_share"] == pytest.approx((orders.discount > 0).mean())
    bought = events[events.event_type == "purchase"]
    baskets = bought.groupby(["user_id", "session_id"]).item_id.nunique()
    assert numbers["baskets"]["sessions"] == len(baskets)
    assert numbers["baskets"]["mean"] == pytest.approx(baskets.mean())
    popular = bought.groupby(["user_id", "session_id", "item_id"]).size().groupby("item_id").size()
    assert numbers["popularity"]["curve"][0] == [1, popular.max()]
    assert numbers["popularity"]["visits"] == popular.sum()


def test_repeats_and_cuts_are_those_of_the_tables(
    numbers: dict[str, Any], tiny_world: TinyWorld
) -> None:
    weekly = numbers["repeats"]["by_week"].values()
    visits = sum(week["visits"] for week in weekly)
    state = read_table(tiny_world.path("data_preparation", "tables") / "events.parquet").to_pandas()
    bought = state[state.event_type == "purchase"]
    pairs = bought.groupby(["user_id", "item_id"]).ngroups
    repeats = sum(week["visits"] * week["share"] for week in weekly)
    assert visits - repeats == pytest.approx(pairs)
    for cut in numbers["cuts"]:
        tables = tiny_world.prepared / "cuts" / cut["name"]
        targets = read_table(tables / "targets.parquet").to_pandas()
        known = set(read_table(tables / "sequences.parquet")["user_index"].to_pylist())
        wanting = set(targets.user_index)
        assert cut["targets"] == len(targets)
        assert cut["evaluated_shoppers"] == len(wanting & known)
        assert cut["new_shoppers"] == len(wanting - known)
        assert cut["repeat_share_of_targets"] == pytest.approx(targets.is_repeat.mean())


def test_every_plot_is_a_picture_of_decent_size(folder: Path) -> None:
    for name, _ in PLOTS.values():
        with Image.open(folder / f"{name}.png") as picture:
            assert picture.width > 900, name
            assert picture.convert("L").getextrema()[0] < 100, name  # something dark is drawn


def test_the_page_is_self_contained_and_plain_about_what_is_made_up(folder: Path) -> None:
    page = (folder / "index.html").read_text()
    assert page.count("data:image/png;base64,") == len(PLOTS)
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "Simulated data: no shopper, product or sale on this page is real." in page
    assert "Pictures are rendered" in page


def test_a_real_shop_is_not_called_simulated_and_its_losses_are_shown(tmp_path: Path) -> None:
    tables = write_tables(tmp_path / "t", **weekly_shop())
    note = {
        "dataset": "my <shop>",
        "images": "photographs",
        "quarantined": {"events": {"no timestamp": 1234}},
        "repeated": {"orders": 7},
    }
    (tables / "ingestion.json").write_text(json.dumps(note))
    prepare(tmp_path, tables, fit_cuts=0)
    page = (tmp_path / "summary" / "index.html").read_text()
    assert "Simulated" not in page
    assert "rendered" not in page
    assert "my &lt;shop&gt;" in page
    assert "events: no timestamp</td><td>1,234" in page
    assert "orders: the same row again</td><td>7" in page


def test_labels_are_pushed_apart() -> None:
    moved = spread(np.array([0.5, 0.1, 0.52, 0.51]), 0.1)
    assert moved == pytest.approx([0.5, 0.1, 0.7, 0.6])
