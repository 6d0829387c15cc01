"""The worked examples in docstrings are true."""

import doctest
from types import ModuleType

import numpy as np
import pytest

from components.platform.metrics import intervals, ranking
from components.shop_ranking.engine import history, reciprocal_ranks


@pytest.mark.parametrize("module", [ranking, intervals, history, reciprocal_ranks])
def test_docstrings_compute_what_they_say(module: ModuleType) -> None:
    result = doctest.testmod(module, extraglobs={"np": np})
    assert result.attempted > 0
    assert result.failed == 0
