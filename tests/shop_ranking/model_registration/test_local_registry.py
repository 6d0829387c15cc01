"""The stage on a registry that is a file: the way of a first model and of a later, better one."""

from pathlib import Path

import pytest

from tests.shop_ranking.model_registration.shop import Shop


@pytest.mark.usefixtures("own_mlflow")
def test_the_first_model_is_champion_and_a_better_one_waits_for_a_person(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.train()
    first = shop.register()
    assert (first["gate"], first["aliases"]) == ("passed", "champion challenger")
    shop.train(scale=2, ndcg=0.50)
    better = shop.register()
    assert (better["gate"], better["against"]) == ("passed", f"{shop.fused}/1")
    assert shop.aliases() == {"champion": "1", "challenger": "2"}
    assert shop.register() == better  # the same content again changes nothing
    assert shop.versions() == ["1", "2"]
