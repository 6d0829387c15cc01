"""The simulated world: deterministic, in the contract, and with an answer known by construction."""

import json

import numpy as np
import pyarrow.compute as pc
import pytest

from components.platform import schemas
from components.platform.files import read_table
from components.platform.metrics.ranking import ndcg
from components.shop_ranking.data_ingestion.adapters import simulated_shop
from components.shop_ranking.data_ingestion.simulator.world import World, simulate
from components.shop_ranking.params import DataParams
from tests.world import TINY, TinyWorld


def world_of(**changes: object) -> World:
    return simulate(
        DataParams.model_validate({"dataset": "simulated-shop", "simulation": {**TINY, **changes}})
    )


@pytest.fixture(scope="module")
def world() -> World:
    return world_of()


def ndcg_at_10(scores_UI: np.ndarray, wanted_UI: np.ndarray) -> float:
    top = np.argsort(-scores_UI, axis=1, kind="stable")[:, :10]
    hit = np.take_along_axis(wanted_UI, top, 1)
    return float(ndcg(hit, wanted_UI.sum(1)).mean())


def scored(tiny: TinyWorld, view: str) -> dict[str, float]:
    """NDCG@10 at the test cut of the true utility, of its parts and of the sum without a part."""
    cut = json.loads((tiny.prepared / "cuts.json").read_text())[-1]
    parts = tiny.true_parts(cut["day"])
    targets = read_table(tiny.prepared / "cuts" / "test" / "targets.parquet").to_pandas()
    if view == "novel":
        targets = targets[~targets.is_repeat]
    stats = read_table(tiny.prepared / "cuts" / "test" / "item_stats.parquet").to_pandas()
    owned = read_table(tiny.prepared / "cuts" / "test" / "user_item.parquet").to_pandas()
    hidden = np.zeros(parts["text"].shape, bool)
    hidden[:, stats.item_index[~stats.eligible]] = True
    if view == "novel":
        hidden[owned.user_index, owned.item_index] = True
    wanted = np.zeros(parts["text"].shape, int)
    wanted[targets.user_index, targets.item_index] = 1
    some = wanted.any(1)
    total = np.sum(list(parts.values()), axis=0)
    rankings = {"oracle": total, **parts}
    rankings |= {f"without {name}": total - part for name, part in parts.items()}
    return {
        name: ndcg_at_10(np.where(hidden, -np.inf, score)[some], wanted[some])
        for name, score in rankings.items()
    }


@pytest.mark.parametrize("view", ["all", "novel"])
def test_only_the_sum_of_text_picture_and_behaviour_ranks_well(
    tiny_world: TinyWorld, view: str
) -> None:
    ndcg = scored(tiny_world, view)
    assert ndcg["oracle"] > 0.4
    for single in ("text", "picture", "behaviour"):
        assert ndcg["oracle"] > ndcg[single] + 0.08, ndcg
    needed = ("text", "picture", "behaviour") if view == "all" else ("text", "picture")
    for part in needed:
        assert ndcg["oracle"] > ndcg[f"without {part}"] + 0.03, ndcg


def test_tables_keep_the_contract(world: World) -> None:
    for name, table in world.tables.items():
        assert table.schema.equals(schemas.TABLES[name]), name
    events = world.tables["events"]
    assert set(events["event_type"].to_pylist()) == {
        "impression", "click", "purchase", "rating", "search",
    }  # fmt: skip
    shown = events.filter(pc.equal(events["event_type"], "impression"))
    assert 0 < pc.min(shown["propensity"]).as_py() <= pc.max(shown["propensity"]).as_py() <= 1
    assert pc.min(shown["position"]).as_py() == 0
    assert events["event_id"].to_pylist() == sorted(set(events["event_id"].to_pylist()))
    bought = events.filter(pc.equal(events["event_type"], "purchase"))
    assert bought.num_rows == world.tables["orders"].num_rows
    for column in ("user_id", "item_id", "event_id"):
        assert pc.all(pc.starts_with(events[column].drop_null(), "sim-")).as_py()


def test_text_does_not_tell_the_look(world: World) -> None:
    words = " ".join(title or "" for title in world.tables["products"]["title"].to_pylist()).lower()
    for look in ("red", "blue", "green", "yellow", "circle", "square", "triangle", "star"):
        assert look not in words.split()


def test_clicks_follow_the_truth(world: World) -> None:
    """Clicked impressions have a higher true taste than the others of the same slates."""
    row = {name: i for i, name in enumerate(world.truth.user_ids.tolist())}
    column = {name: i for i, name in enumerate(world.truth.item_ids.tolist())}
    taste = world.truth.text + world.truth.picture
    means = {}
    for kind in ("impression", "click"):
        events = world.tables["events"]
        some = events.filter(pc.equal(events["event_type"], kind))
        users = [row[name] for name in some["user_id"].to_pylist()]
        items = [column[name] for name in some["item_id"].to_pylist()]
        means[kind] = taste[users, items].mean()
    assert means["click"] > means["impression"] + 1.0


def test_propensities_are_those_of_the_policy() -> None:
    """The first place of a slate sums to one: a policy's mean 1/propensity counts its items."""
    events = world_of(shoppers=300, items=20, days=60).tables["events"].to_pandas()
    top = events[(events.event_type == "impression") & (events.position == 0)]
    top = top[top.surface == "recommendations"]
    assert (1 / top.propensity).mean() == pytest.approx(20, rel=0.15)


def test_same_seed_same_world_other_seed_other_world(world: World) -> None:
    again, other = world_of(), world_of(seed=1)
    for name, table in world.tables.items():
        assert table.equals(again.tables[name]), name
        assert not table.equals(other.tables[name]), name
    assert np.array_equal(world.truth.utility(50, 14), again.truth.utility(50, 14))


def test_truth_survives_the_disk_and_stays_out_of_the_tables(tiny_world: TinyWorld) -> None:
    raw = tiny_world.path("data_ingestion", "raw")
    tables = tiny_world.path("data_ingestion", "tables")
    truth = simulated_shop.truth(raw)
    assert np.array_equal(truth.utility(84, 14), tiny_world.truth.utility(84, 14))
    assert not list(tables.glob("*truth*"))
    assert json.loads((tables / "ingestion.json").read_text())["simulated"] is True


def test_habits_fall_due_as_often_as_their_cycle_says(world: World) -> None:
    truth = world.truth
    habit = np.isfinite(truth.cycle)
    expected = np.minimum(14 / truth.cycle[habit], 1.0).mean()
    days = np.linspace(30, 80, 26)
    share = np.mean([truth.due(day, 14)[habit].mean() for day in days])
    assert share == pytest.approx(expected, abs=0.05)
    assert truth.due(50, 14)[~habit].max() == 0
