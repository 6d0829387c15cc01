"""A shop that trains and registers in a folder of its own."""

import uuid
from pathlib import Path
from typing import Any

import mlflow as client

from components.platform import tracking
from components.platform.registry.policy import load_policy
from components.shop_ranking.application import SHOP_RANKING
from components.shop_ranking.model_registration.component import run
from components.shop_ranking.params import Params
from tests.shop_ranking.model_registration.handmade import PATHS, read_verdict, write_run

ALL = Params()


class Shop:
    """A run folder that is trained and registered again and again; its model has an own name."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.names = folder, f"-{uuid.uuid4().hex[:8]}"

    def train(self, **changes: Any) -> None:
        write_run(self.folder, names=self.names, **changes)

    def register(self, params: Params = ALL) -> dict[str, Any]:
        paths = {name: Path(path) for name, path in PATHS.items()}
        run(params, **paths, verdict=Path("reports/registration.json"))
        return read_verdict(self.folder)

    @property
    def fused(self) -> str:
        return load_policy(SHOP_RANKING).leading

    def aliases(self) -> dict[str, str]:
        return {
            alias: version.version
            for alias in ("champion", "challenger")
            if (version := tracking.version_at(self.fused, alias))
        }

    def versions(self) -> list[str]:
        versions = client.MlflowClient().search_model_versions(f"name = '{self.fused}'")
        return sorted(str(version.version) for version in versions)
