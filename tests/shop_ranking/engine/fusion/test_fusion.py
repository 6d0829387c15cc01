"""One contract for all methods of fusion, on a world whose right answer is known."""

import json

import numpy as np
import pytest
import torch

from components.platform.errors import ModelError, StorageError
from components.platform.files import atomic_folder
from components.shop_ranking.engine.feature_states import TOWERS
from components.shop_ranking.engine.fusion import METHODS
from components.shop_ranking.engine.fusion.lists import mean_ndcg
from components.shop_ranking.engine.fusion.parameter_averaging import average, digest
from components.shop_ranking.engine.reading import read_cuts
from components.shop_ranking.engine.signals import SIGNALS
from components.shop_ranking.fusion_training.component import read_cut
from components.shop_ranking.params.fusion import (
    FusionParams,
    GatedAttentionParams,
    ParameterAveragingParams,
    StackingParams,
)
from tests.stages import full_disk
from tests.world import QUICK_FUSION, tiny_params


@pytest.fixture(scope="module")
def cuts(tiny_world, standins):
    towers = {tower: standins[tower] for tower in TOWERS}
    return {
        cut["name"]: read_cut(
            tiny_params(), tiny_world.prepared, towers, standins["baselines"], cut=cut
        ).candidates
        for cut in read_cuts(tiny_world.prepared)
    }


@pytest.fixture(scope="module")
def fitted(cuts):
    out = {}
    for name, method in METHODS.items():
        out[name] = method(seed=0)
        out[name].fit([cuts["fit_1"], cuts["fit_2"]], cuts["validation"])
    return out


def towers_alone(candidates):
    return [
        mean_ndcg(
            candidates, np.nan_to_num(candidates.signals[:, SIGNALS.index(tower)], nan=-9), "all"
        )
        for tower in TOWERS
    ]


@pytest.mark.parametrize("name", METHODS)
def test_recovers_what_no_single_tower_can(name, fitted, cuts):
    test = cuts["test"]
    scores = fitted[name].score(test)
    assert scores.shape == (len(test),)
    assert np.isfinite(scores).all()
    assert mean_ndcg(test, scores, "all") > max(towers_alone(test)) + 0.02


@pytest.mark.parametrize("name", METHODS)
def test_degrades_but_works_without_a_modality(name, fitted, tiny_world, standins, cuts):
    towers = {tower: standins[tower] for tower in TOWERS}
    blind = read_cut(
        tiny_params(),
        tiny_world.prepared,
        towers,
        standins["baselines"],
        cut=read_cuts(tiny_world.prepared)[-1],
        leave_out=frozenset({"image"}),
    ).candidates
    scores = fitted[name].score(blind)
    assert np.isfinite(scores).all()
    whole = mean_ndcg(cuts["test"], fitted[name].score(cuts["test"]), "all")
    popular = mean_ndcg(blind, blind.signals[:, SIGNALS.index("popularity")], "all")
    assert popular < mean_ndcg(blind, scores, "all")
    if name != "rank-ensemble":  # it cannot weigh, so losing its weakest voter may help it
        assert mean_ndcg(blind, scores, "all") < whole


@pytest.mark.parametrize("name", METHODS)
def test_survives_saving_and_says_its_weights(name, fitted, cuts, tmp_path):
    fitted[name].save(tmp_path)
    again = METHODS[name].load(tmp_path)
    np.testing.assert_allclose(
        again.score(cuts["test"]), fitted[name].score(cuts["test"]), rtol=1e-5, atol=1e-6
    )
    rows = fitted[name].weights()
    for segment in {row["segment"] for row in rows}:
        total = sum(row["weight"] for row in rows if row["segment"] == segment)
        assert total == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("name", METHODS)
def test_a_full_disk_is_named_as_such(name, fitted, tmp_path):
    with (
        full_disk(30),
        pytest.raises(StorageError, match="free disk space"),
        atomic_folder(tmp_path / "fused") as folder,
    ):
        fitted[name].save(folder)


@pytest.mark.parametrize("name", METHODS)
def test_same_seed_same_scores(name, cuts):
    scores = []
    for _ in range(2):
        method = METHODS[name](0, FusionParams.model_validate(QUICK_FUSION))
        method.fit([cuts["fit_1"], cuts["fit_2"]], cuts["validation"])
        scores.append(method.score(cuts["test"]))
    np.testing.assert_array_equal(*scores)


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values["signals"].reverse(),  # the towers in another order
        lambda values: values["signals"].pop(),
        lambda values: values.pop("signals"),
    ],
)
def test_weights_of_other_signals_are_refused(change, tmp_path):
    METHODS["weighted-average"]().save(tmp_path)
    METHODS["weighted-average"].load(tmp_path)
    values = json.loads((tmp_path / "weights.json").read_text())
    change(values)
    (tmp_path / "weights.json").write_text(json.dumps(values))
    with pytest.raises(ModelError, match=r"weights of behaviour, .*train the fusion again"):
        METHODS["weighted-average"].load(tmp_path)


def test_averages_parameters():
    first, two = {"w": torch.tensor([1.0, 2.0])}, {"w": torch.tensor([3.0, 6.0])}
    got = average([first, two], [0.25, 0.75], ["s", "s"])
    assert got["w"].tolist() == [2.5, 5.0]


@pytest.mark.parametrize(
    ("other", "starts", "said"),
    [
        ({"w": torch.zeros(3)}, ["s", "s"], "one architecture"),
        ({"v": torch.zeros(2)}, ["s", "s"], "one architecture"),
        ({"w": torch.zeros(2)}, ["s", "t"], "one common start"),
    ],
)
def test_refuses_to_average_strangers(other, starts, said):
    with pytest.raises(ModelError, match=said):
        average([{"w": torch.zeros(2)}, other], [0.5, 0.5], starts)


def test_digest_tells_starts_apart():
    assert digest({"w": torch.zeros(2)}) == digest({"w": torch.zeros(2)})
    assert digest({"w": torch.zeros(2)}) != digest({"w": torch.ones(2)})


def test_params_reach_the_trees(cuts):
    stacking = StackingParams(trees=(3,), leaves=4, scaling_shoppers=40)
    fusion = METHODS["stacking"](0, FusionParams(stacking=stacking))
    fusion.fit([cuts["fit_1"]], cuts["validation"])
    trees = [tree for head in fusion.heads.values() for tree in head.dump_model()["tree_info"]]
    assert fusion.rounds == 3
    assert len(trees) == 3 * len(fusion.heads)
    assert max(tree["num_leaves"] for tree in trees) == 4


def test_params_reach_the_networks_and_travel_in_the_package(cuts, tmp_path):
    gated = GatedAttentionParams(width=8, epochs=1, least_steps=2)
    soup = ParameterAveragingParams(start_epochs=1, rate_factors=(0.5, 0.4, 0.3))
    params = FusionParams(gated_attention=gated, parameter_averaging=soup)
    fusion = METHODS["parameter-averaging"](0, params)
    fusion.fit([cuts["fit_1"]], cuts["validation"])
    parts = [row["part"] for row in fusion.weights() if row["segment"] == "soup"]
    assert parts == ["fine-tune 1", "fine-tune 2", "fine-tune 3"]
    fusion.save(tmp_path)
    again = METHODS["parameter-averaging"].load(tmp_path)
    assert again.gated.trained.width == 8
    assert again.weights() == fusion.weights()
    assert np.array_equal(again.score(cuts["test"]), fusion.score(cuts["test"]))


def test_trees_stop_growing_when_validation_gets_no_better(cuts):
    tried = tuple(range(2, 40, 2))
    for patience in (1, 3):
        stacking = StackingParams(trees=tried, patience=patience)
        fusion = METHODS["stacking"](seed=0, params=FusionParams(stacking=stacking))
        fusion.fit([cuts["fit_1"], cuts["fit_2"]], cuts["validation"])
        grown = next(iter(fusion.heads.values())).num_trees()
        assert grown < tried[-1]  # a tiny world is soon learnt
        assert tried.index(grown) - tried.index(fusion.rounds) == patience


def test_passes_stop_when_validation_gets_no_better(cuts, monkeypatch):
    gated = METHODS["gated-attention"]
    train_epoch, passed = gated.train_epoch, []

    def counted(self, rows, epoch, rate):
        passed.append(epoch)
        train_epoch(self, rows, epoch, rate)

    monkeypatch.setattr(gated, "train_epoch", counted)
    params = GatedAttentionParams(width=8, epochs=40, least_steps=2, patience=2)
    fusion = gated(seed=0, params=FusionParams(gated_attention=params))
    fusion.fit([cuts["fit_1"]], cuts["validation"])
    assert passed == list(range(1, fusion.epochs + 3))
    assert len(passed) < 40
