import json
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
from pydantic import ValidationError

from components.behaviour_pretraining import component
from components.errors import DataError, ModelError
from components.files import read_table, write_table
from components.models.behaviour import BehaviourTower
from components.params import Params
from components.training.checkpoints import FOLDER
from tests.behaviour_pretraining.chain import CUT_DAYS, ITEMS, USERS, chosen, events, write_chain
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
