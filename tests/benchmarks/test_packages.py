"""The packages that benchmarks make of a run are those that a server answers by."""

from pathlib import Path

import pytest

from benchmarks import served_packages, swap, whole_loop
from components.platform import tracking
from components.platform.application import Packages
from components.platform.registry.policy import load_policy
from components.shop_ranking import application
from components.shop_ranking.application import SHOP_RANKING
from components.shop_ranking.serving import answering
from components.shop_ranking.serving.api import RecommendRequest
from tests.running import ROOT
from tests.shop_ranking.model_registration.handmade import USERS
from tests.shop_ranking.model_registration.shop import Shop
from tests.shop_ranking.serving.shop import DIM, make_server
from tests.world import TinyWorld

ITEMS = 400


@pytest.fixture
def shop(own_mlflow: None, tmp_path: Path) -> Shop:
    """A trained run as the current folder, and an empty registry."""
    trained = Shop(tmp_path)
    trained.train()
    return trained


def test_a_swap_has_two_versions_to_go_between(shop: Shop) -> None:
    known = swap.register_twice(shop.folder, load_policy(SHOP_RANKING))
    assert len(known) == USERS
    assert shop.versions() == ["1", "2"]
    assert shop.aliases() == {"champion": "1"}
    tags = tracking.version(shop.fused, "2").tags
    assert tags["parent_text"].startswith("text-tower/")


def test_the_loop_fetches_the_parts_of_a_challenger(shop: Shop, tmp_path: Path) -> None:
    shop.register()
    whole_loop.write_packages(load_policy(SHOP_RANKING), tmp_path / "fetched")
    fetched = {folder.name for folder in (tmp_path / "fetched").iterdir()}
    assert fetched == {"fused", "text", "image"}
    assert (tmp_path / "fetched/fused/chosen.json").is_file()


def test_a_server_answers_by_a_simulated_catalogue(
    packages: Packages, tiny_world: TinyWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_of = packages.folders["fused"].parents[1]
    towers = {
        application.TOWER_FOLDERS[name]: made_of / "towers" / name for name in ("text", "image")
    }
    inputs = {application.PREPARED: tiny_world.prepared, application.FUSED: made_of / "fused"}
    for place, source in (inputs | towers).items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).symlink_to(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(served_packages, "SHOPPERS", 50)
    monkeypatch.setattr(served_packages, "DIMS", dict.fromkeys(served_packages.DIMS, DIM))
    served_packages.simulate(tmp_path / "simulated", ITEMS)
    folders = {folder.name: folder for folder in (tmp_path / "simulated").iterdir()}
    monkeypatch.chdir(ROOT)  # where the policy is
    server = make_server(Packages("local", folders), tmp_path / "spool")
    answer = answering.recommend(server.service, RecommendRequest(user_id=f"{7:032x}", k=10))
    assert len({int(item.item_id) for item in answer.items} & set(range(ITEMS))) == 10
    server.log.close()
