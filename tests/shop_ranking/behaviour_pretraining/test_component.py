import json
from pathlib import Path

import mlflow
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pydantic import ValidationError

from components.platform.errors import DataError, ModelError
from components.platform.files import read_table, write_table
from components.platform.settings import settings
from components.platform.training.checkpoints import FOLDER
from components.shop_ranking.behaviour_pretraining import component
from components.shop_ranking.engine.towers.behaviour import BehaviourTower
from components.shop_ranking.engine.towers.checkpoints_by_cut import (
    checkpoints_by_cut,
    latest_before,
)
from components.shop_ranking.params import Params
from tests.content import killed_and_resumed
from tests.shop_ranking.behaviour_pretraining.chain import (
    CUT_DAYS,
    ITEMS,
    USERS,
    chosen,
    events,
    write_chain,
)
from tests.world import TinyWorld

SMALL = {
    "dim": 32, "width": 32, "epochs": 25, "refresh_epochs": 2, "lr": 0.02, "dropout": 0.0,
    "weight_decay": 0.0, "moment_share": 1.0, "positives": 2, "batch_sessions": 512,
}  # fmt: skip


def params(**changes: object) -> Params:
    return Params.model_validate({"behaviour": {**SMALL, **changes}})


def vectors(tower: Path, cut: str) -> tuple[np.ndarray, np.ndarray]:
    names = ("user_vectors", "item_vectors")
    users, items = (np.load(tower / cut / f"{name}.npy") for name in names)
    return users, items


@pytest.mark.parametrize("cycle", [None, 5])
def test_the_next_item_of_a_chain_or_a_cycle_ranks_first_at_every_cut(run_folder, cycle):
    prepared = write_chain(run_folder / "prepared", events(cycle=cycle))
    component.run(params(), prepared, run_folder / "tower")
    about = json.loads((run_folder / "tower/tower.json").read_text())
    assert about["metrics"]["ndcg_at_10_all"] > 0.9
    for cut, day in CUT_DAYS.items():
        users, items = vectors(run_folder / "tower", cut)
        assert users.shape == (USERS, about["dim"])
        assert items.shape == (ITEMS, about["dim"])
        right = chosen(np.arange(USERS), np.full(USERS, day), cycle)
        assert ((users @ items.T).argmax(1) == right).mean() > 0.9, cut
    assert not (FOLDER / "behaviour_pretraining").exists()


def test_vectors_of_a_cut_do_not_depend_on_what_comes_after_it(run_folder):
    quick, table = params(epochs=2), events()
    component.run(quick, write_chain(run_folder / "a", table), run_folder / "tower_a")
    late = pc.greater_equal(table["day"], CUT_DAYS["fit_2"]).to_numpy(zero_copy_only=False)
    item = np.where(late, ITEMS - 1 - table["item"].to_numpy(), table["item"].to_numpy())
    changed = table.set_column(1, "item", [item])
    component.run(quick, write_chain(run_folder / "b", changed), run_folder / "tower_b")
    for cut, same in {"fit_1": True, "fit_2": True, "validation": False, "test": False}.items():
        pairs = zip(
            vectors(run_folder / "tower_a", cut), vectors(run_folder / "tower_b", cut), strict=True
        )
        assert all(np.array_equal(a, b) for a, b in pairs) == same, cut


def test_what_is_wanted_is_what_the_cuts_say(run_folder):
    """As for every later stage: dvc.yaml does not name preparation.target_events for this one."""
    prepared, quick = write_chain(run_folder / "prepared", events()), params(epochs=2)
    component.run(quick, prepared, run_folder / "tower_a")
    other = quick.preparation.model_copy(update={"target_events": ("view",)})
    edited = quick.model_copy(update={"preparation": other})  # since the cuts were written
    component.run(edited, prepared, run_folder / "tower_b")
    for cut in CUT_DAYS:
        pairs = zip(
            vectors(run_folder / "tower_a", cut), vectors(run_folder / "tower_b", cut), strict=True
        )
        assert all(np.array_equal(a, b) for a, b in pairs), cut


def test_an_interrupted_stage_goes_on_and_ends_the_same(run_folder, monkeypatch, capsys):
    prepared, quick = write_chain(run_folder / "prepared", events()), params(epochs=2)
    component.run(quick, prepared, run_folder / "whole")
    with monkeypatch.context() as broken:
        broken.setattr(component, "ndcg_at_10", lambda *_: 1 / 0)  # dies after three of four cuts
        with pytest.raises(ZeroDivisionError):
            component.run(quick, prepared, run_folder / "tower")
    assert not (run_folder / "tower").exists()
    capsys.readouterr()
    component.run(quick, prepared, run_folder / "tower")
    assert capsys.readouterr().out.count("resumed at step") == 3
    for cut in CUT_DAYS:
        np.testing.assert_array_equal(
            np.concatenate(vectors(run_folder / "tower", cut)),
            np.concatenate(vectors(run_folder / "whole", cut)),
        )


@pytest.mark.long
def test_goes_on_after_kill_9_within_a_phase(run_folder):
    prepared, quick = write_chain(run_folder / "prepared", events()), params(epochs=2)
    component.run(quick, prepared, run_folder / "whole")
    folder = run_folder / "killed"
    folder.mkdir()
    steps = json.loads((run_folder / "whole/tower.json").read_text())["phases"]["fit_2"]["steps"]
    assert steps > 1  # step 1 is within the phase
    made = killed_and_resumed(component.STAGE, quick, prepared, folder, training="fit_2", step=1)
    for cut in CUT_DAYS:
        for resumed, other in zip(
            vectors(made, cut), vectors(run_folder / "whole", cut), strict=True
        ):
            np.testing.assert_allclose(resumed, other, atol=1e-5)


def test_mlflow_has_the_curve_and_the_throughput(run_folder):
    component.run(
        params(epochs=2), write_chain(run_folder / "prepared", events()), run_folder / "t"
    )
    client = mlflow.MlflowClient(settings().mlflow_uri)
    (experiment,) = [
        experiment.experiment_id
        for experiment in client.search_experiments(filter_string="name = 'training'")
    ]
    newest = client.search_runs([experiment], order_by=["start_time DESC"], max_results=1)[0]
    about = json.loads((run_folder / "t/tower.json").read_text())
    steps = sum(phase["steps"] for phase in about["phases"].values())
    for metric in ("loss", "tokens_per_second"):
        points = client.get_metric_history(newest.info.run_id, metric)
        assert len({point.step for point in points}) >= 5  # two epochs, then each refresh
        assert max(point.step for point in points) == steps
        assert all(np.isfinite(point.value) and point.value > 0 for point in points)


def test_a_reused_tower_encodes_every_cut_without_training(run_folder):
    prepared = write_chain(run_folder / "prepared", events())
    component.run(params(epochs=2), prepared, run_folder / "tower")
    reuse = params(reuse=str(run_folder / "tower"))
    component.run(reuse, prepared, run_folder / "again")
    assert json.loads((run_folder / "again/tower.json").read_text())["phases"] == {}
    np.testing.assert_array_equal(
        np.concatenate(vectors(run_folder / "again", "test")),
        np.concatenate(vectors(run_folder / "tower", "test")),
    )
    with pytest.raises(ModelError, match="a behaviour tower"):
        component.run(params(reuse=str(prepared)), prepared, run_folder / "not_a_tower")


@pytest.mark.long
def test_a_warm_start_reaches_the_cold_ones_loss_in_fewer_steps(run_folder):
    """The window moves: the champion was trained on earlier cuts, the new tower starts from it."""
    table = events()
    early = write_chain(run_folder / "early", shifted(table, 2))
    component.run(params(), early, run_folder / "champion")
    later = write_chain(run_folder / "later", table)
    start = str(run_folder / "champion")
    warm = params(start_from=start, refresh_epochs=4)
    component.run(warm, later, run_folder / "warm")
    component.run(params(epochs=4, refresh_epochs=4), later, run_folder / "cold_and_short")
    component.run(params(), later, run_folder / "cold")
    about = {
        name: json.loads((run_folder / name / "tower.json").read_text())
        for name in ("warm", "cold_and_short", "cold")
    }
    phases = {name: described["phases"] for name, described in about.items()}
    up_to = ("fit_1", "fit_2", "validation")
    steps = {name: sum(cuts[cut]["steps"] for cut in up_to) for name, cuts in phases.items()}
    loss = {name: cuts["validation"]["loss"] for name, cuts in phases.items()}
    assert about["warm"]["metrics"]["ndcg_at_10_all"] > 0.95
    assert steps["warm"] <= steps["cold_and_short"] < phases["cold"]["fit_1"]["steps"]
    assert loss["warm"] < phases["cold"]["fit_1"]["loss"] + 1e-3  # after more steps than all these
    assert loss["warm"] < loss["cold_and_short"] / 5


def shifted(table: pa.Table, days: int) -> pa.Table:
    """The same shop as it was some days ago."""
    return table.set_column(2, "day", pc.add(table["day"], float(days)))


def test_a_start_takes_only_weights_that_have_not_seen_the_first_cut(run_folder):
    prepared = write_chain(run_folder / "prepared", events())
    component.run(params(epochs=2), prepared, run_folder / "champion")
    by_cut = checkpoints_by_cut(str(run_folder / "champion"), run_folder / "not_needed")
    first = np.datetime64("2024-01-01") + np.array(list(CUT_DAYS.values()))
    assert [str(checkpoint.day) for checkpoint in by_cut] == [str(day) for day in first]
    for cut, checkpoint in zip(CUT_DAYS, by_cut, strict=True):
        expected = vectors(run_folder / "champion", cut)[1]
        np.testing.assert_array_equal(checkpoint.load().encode_items(), expected)
    assert latest_before(by_cut, str(first[2] + 1), "it").day == by_cut[2].day
    with pytest.raises(ModelError, match="trained on nothing after the cut of 2024-01-10"):
        latest_before(by_cut, "2024-01-10", "it")
    other = params(start_from=str(run_folder / "champion"), dim=16)
    with pytest.raises(ModelError, match="a tower of the shape"):
        component.run(other, prepared, run_folder / "tower")


def test_shoppers_with_one_event_of_one_item_have_vectors_and_others_are_missing(run_folder):
    table = events()
    single = table.filter(pc.and_(pc.equal(table["day"], 10), pc.less(table["user"], 5)))
    single = single.set_column(1, "item", [np.full(single.num_rows, 3)])
    prepared = write_chain(run_folder / "prepared", single)
    component.run(params(), prepared, run_folder / "tower")
    users, items = vectors(run_folder / "tower", "test")
    assert np.isfinite(users[:5]).all()
    assert np.isnan(users[5:]).all()
    assert np.isfinite(items).all()  # those never seen have their titles


def test_no_event_before_the_first_cut_is_refused(run_folder):
    prepared = write_chain(run_folder / "prepared", events())
    empty = prepared / "cuts/fit_1/sequences.parquet"
    write_table(read_table(empty).slice(0, 0), empty)
    with pytest.raises(DataError, match="events before the cut fit_1"):
        component.run(params(), prepared, run_folder / "tower")
    assert not (run_folder / "tower").exists()


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValidationError, match="must divide"):
        params(heads=3)


def test_the_tower_learns_the_tiny_world(tiny_world: TinyWorld, run_folder):
    values = tiny_world.params.model_dump() | {"behaviour": {**SMALL, "epochs": 10}}
    component.run(Params.model_validate(values), tiny_world.prepared, run_folder / "tower")
    about = json.loads((run_folder / "tower/tower.json").read_text())
    stats = read_table(tiny_world.prepared / "cuts/validation/item_stats.parquet")
    items = read_table(tiny_world.prepared / "items.parquet").num_rows
    popular = np.zeros((items, 1), np.float32)
    popular[stats["item_index"].to_numpy(), 0] = stats["sessions"].to_numpy()
    users = np.ones((read_table(tiny_world.prepared / "users.parquet").num_rows, 1), np.float32)
    base = component.ndcg_at_10(tiny_world.prepared, "validation", users, popular)
    assert about["metrics"]["ndcg_at_10_all"] > base["ndcg_at_10_all"]
    assert BehaviourTower.load(run_folder / "tower").width == about["dim"]
