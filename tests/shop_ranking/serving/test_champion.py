"""What a champion needs to answer, and what it does without."""

import base64

import pytest

from components.platform.errors import DataError
from components.platform.serving.live_events import LiveEvents
from components.shop_ranking import towers
from components.shop_ranking.params import Params
from components.shop_ranking.serving.api import SearchRequest
from components.shop_ranking.serving.champion import Champion


@pytest.mark.parametrize("queries", ["words", "pictures"])
def test_a_shop_without_a_tower_that_reads_queries_of_a_kind_is_served(
    queries, packages, monkeypatch
):
    others = {name: tower for name, tower in towers.TOWERS.items() if tower.queries != queries}
    assert len(others) == len(towers.TOWERS) - 1
    monkeypatch.setattr(towers, "TOWERS", others)
    champion = Champion.load(packages, Params(), LiveEvents())
    title = champion.catalogue.title[champion.engine.popular[0]]
    assert champion.search(SearchRequest(query=title), champion.as_of).items
    picture = base64.b64encode(champion.catalogue.pictures[0].as_py()).decode()
    by_picture = SearchRequest(image=picture)
    if queries == "pictures":
        with pytest.raises(DataError, match="search by words"):
            champion.search(by_picture, champion.as_of)
    else:
        assert champion.search(by_picture, champion.as_of).items
