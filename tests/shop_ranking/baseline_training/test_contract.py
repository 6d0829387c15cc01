"""One contract over every baseline, on the shop of two camps."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.platform.files import read_table, write_table
from components.shop_ranking.baseline_training.component import every_baseline
from components.shop_ranking.baseline_training.interface import Baseline
from components.shop_ranking.engine.rankings import Rankings, rank
from components.shop_ranking.params import Params
from tests.shop_ranking.baseline_training.conftest import CAMP, ITEMS, SHOPPERS, Camps

PARAMS = Params.model_validate(
    {"baselines": {"als_factors": 4, "als_regularization": 0.1, "ease_l2": 10.0,
                   "tifu_neighbours": 20, "lambdamart_trees": 20, "lambdamart_new_items": 11}}
)  # fmt: skip
NAMES = [baseline.name for baseline in every_baseline(PARAMS)]
# EASE gives an item no weight for itself; how much own purchases add is chosen on an earlier cut.
PERSONAL = [name for name in NAMES if name not in {"popularity", "ease"}]
COLLABORATIVE = ["tifu-knn", "item-knn", "ease", "als", "lambdamart"]


def named(name: str) -> Baseline:
    return next(baseline for baseline in every_baseline(PARAMS) if baseline.name == name)


def ranking(camps: Camps, name: str, at: str = "test") -> Rankings:
    cuts = camps.cuts()
    return rank(named(name).fit(cuts, at), cuts[at].candidates, name)


def test_the_issue_names_eight_baselines() -> None:
    assert len(NAMES) == len(set(NAMES)) == 8


@pytest.mark.parametrize("name", NAMES)
def test_ranks_eligible_items_once_and_novel_ones_never_bought(camps: Camps, name: str) -> None:
    ranked = ranking(camps, name)
    bought = camps.cuts()["test"].candidates.bought.toarray()
    assert ranked.users.tolist() == list(range(SHOPPERS))
    for user in range(SHOPPERS):
        whole, novel = (row[row >= 0] for row in (ranked.all[user], ranked.novel[user]))
        assert sorted(whole) == list(range(ITEMS - 1))  # the ineligible item never
        assert len(set(novel)) == len(novel)
        assert not bought[user, novel].any()
        assert sorted(novel) == [i for i in range(ITEMS - 1) if not bought[user, i]]


@pytest.mark.parametrize("name", PERSONAL)
def test_puts_the_favourite_first_of_what_was_bought(camps: Camps, name: str) -> None:
    ranked = ranking(camps, name).all
    bought = ranked[ranked != camps.missing[:, None]].reshape(len(ranked), -1)
    assert np.array_equal(bought[:, 0], camps.favourite)


@pytest.mark.parametrize("name", COLLABORATIVE)
def test_finds_the_new_item_of_the_own_camp(camps: Camps, name: str) -> None:
    assert np.array_equal(ranking(camps, name).novel[:, 0], camps.missing)


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(COLLABORATIVE)))
def test_counting_ranks_new_items_for_everyone_alike(camps: Camps, name: str) -> None:
    novel = ranking(camps, name).novel
    camp = np.arange(SHOPPERS) % 2
    others = [row[row // CAMP != c] for row, c in zip(novel[:, :CAMP], camp, strict=True)]
    assert len({tuple(row.tolist()) for row in others[::2]}) == 1


@pytest.mark.parametrize("name", NAMES)
def test_fitting_twice_gives_the_same_ranking(camps: Camps, name: str) -> None:
    first, second = ranking(camps, name), ranking(camps, name)
    assert np.array_equal(first.all, second.all)
    assert np.array_equal(first.novel, second.novel)


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_scores_like_its_shoppers_alone(camps: Camps, name: str) -> None:
    cuts = camps.cuts()
    score = named(name).fit(cuts, "test")
    users = cuts["test"].candidates.users[5:9]
    alone = np.concatenate([score(users[i : i + 1]) for i in range(len(users))])
    assert np.allclose(score(users), alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("at", ["validation", "test"])
def test_targets_of_the_ranked_cut_and_after_it_change_nothing(
    camps: Camps, tmp_path: Path, name: str, at: str
) -> None:
    other = tmp_path / "prepared"
    shutil.copytree(camps.prepared, other)
    for later in ("validation", "test")[("validation", "test").index(at) :]:
        path = other / "cuts" / later / "targets.parquet"
        table = read_table(path)
        moved = (table["item_index"].to_numpy() + 7) % (ITEMS - 1)
        write_table(table.set_column(1, table.schema.field(1), [moved.astype(np.int32)]), path)
    first, second = ranking(camps, name, at), ranking(replace(camps, prepared=other), name, at)
    assert np.array_equal(first.all, second.all)
    assert np.array_equal(first.novel, second.novel)
