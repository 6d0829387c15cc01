"""What training used travels in the package, and another layout is refused in one line."""

import json

import pytest

from components.platform.errors import LayoutError, ModelError
from components.platform.files import write_json
from components.shop_ranking.engine.ranker import FusedRanker
from components.shop_ranking.engine.trained_with import TrainedWith, read_choice
from components.shop_ranking.params import Params

PARAMS = Params.model_validate(
    {
        "preparation": {"session_gap_minutes": 7},
        "text": {"half_life_days": 3},
        "image": {"half_life_days": 4},
        "fusion": {
            "new_candidates": 5,
            "bought_candidates": 6,
            "history_half_life_items": 2,
            "category_items": 9,
            "index": {"probed_cells": 3},
            "rows": {"prior_gaps": 2.5, "default_gap_days": 30, "recent_items": 4},
        },
    }
)


def test_what_training_used_is_read_again(tmp_path):
    trained_with = TrainedWith.of(PARAMS)
    write_json({"method": "stacking", **trained_with.values()}, tmp_path / "chosen.json")
    assert read_choice(tmp_path) == ("stacking", trained_with)
    assert trained_with.session_gap_minutes == 7
    assert trained_with.half_life_days == {"text": 3, "image": 4}
    assert trained_with.history_half_life_items == 2
    assert (trained_with.new_candidates, trained_with.bought_candidates) == (5, 6)
    assert (trained_with.category_items, trained_with.index.probed_cells) == (9, 3)
    assert trained_with.rows == PARAMS.fusion.rows


@pytest.mark.parametrize("layout", [None, 2, 4, "3"])
def test_another_layout_is_refused_in_one_line(tmp_path, packages, layout):
    chosen = json.loads((packages.folders["fused"] / "chosen.json").read_text())
    del chosen["layout"]
    write_json(chosen if layout is None else chosen | {"layout": layout}, tmp_path / "chosen.json")
    with pytest.raises(LayoutError, match="train the fusion again") as refused:
        FusedRanker.load(tmp_path)
    assert "\n" not in str(refused.value)
    assert "layout 3" in str(refused.value)


def test_a_package_that_lacks_a_value_is_refused(tmp_path):
    values = TrainedWith.of(PARAMS).values()
    del values["session_gap_minutes"]
    write_json({"method": "stacking", **values}, tmp_path / "chosen.json")
    with pytest.raises(ModelError, match="session_gap_minutes"):
        read_choice(tmp_path)
