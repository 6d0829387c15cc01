"""The stage against a real MLflow server: versions, aliases, tags, and doing it twice."""

import json
import socket
import uuid
from pathlib import Path

import mlflow as client
import pandas as pd
import pytest

from components import tracking
from components.errors import DataError, RegistryError
from components.model_registration import registering
from components.model_registration.component import run
from components.params import Params
from components.registry import load_policy
from components.settings import settings
from tests.model_registration.handmade import PATHS, read_verdict, write_evaluation, write_run

pytestmark = pytest.mark.services


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """An empty run folder, with names of its own in the registry."""
    monkeypatch.chdir(tmp_path)
    return Shop(tmp_path)


class Shop:
    def __init__(self, folder: Path) -> None:
        self.folder, self.names = folder, f"-{uuid.uuid4().hex[:8]}"

    def train(self, **changes) -> None:
        write_run(self.folder, names=self.names, **changes)

    def register(self, params: Params | None = None) -> dict:
        paths = {name: Path(path) for name, path in PATHS.items()}
        run(params or Params(), **paths, verdict=Path("reports/registration.json"))
        return read_verdict(self.folder)

    @property
    def fused(self) -> str:
        return load_policy().models.fused

    def aliases(self) -> dict[str, str]:
        return {
            alias: found.version
            for alias in ("champion", "challenger")
            if (found := tracking.champion(self.fused, alias))
        }

    def versions(self) -> list[str]:
        found = client.MlflowClient().search_model_versions(f"name = '{self.fused}'")
        return sorted(str(one.version) for one in found)


def test_first_model_that_beats_the_baselines_is_champion(mlflow, shop):
    shop.train()
    verdict = shop.register()
    assert (verdict["gate"], verdict["aliases"]) == ("passed", "champion challenger")
    assert shop.aliases() == {"champion": "1", "challenger": "1"}
    assert verdict["lines"]["primary/all/all/ndcg"]["reference"] == "frequency"
    answer = tracking.load(f"models:/{shop.fused}@champion").predict(
        pd.DataFrame({"user_id": ["shopper-01", "stranger"], "k": [3, 3]})
    )
    assert [len(items) for items in answer["item_ids"]] == [3, 3]
