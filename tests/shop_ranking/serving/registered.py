"""A real registry with versions of a small shop, for servers that follow its aliases."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow as client
import numpy as np
import pyarrow as pa
import pytest
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from components.platform import tracking
from components.platform.files import read_table, write_table
from components.platform.pseudonyms import pseudonym_of
from components.platform.registry.policy import load_policy
from components.platform.settings import settings
from components.platform.tracking import Version
from components.shop_ranking.application import SHOP_RANKING
from components.shop_ranking.model_registration.packages import ranker_package
from components.shop_ranking.params import Params
from tests.shop_ranking.model_registration.shop import Shop
from tests.shop_ranking.serving.shop import ShopServer, make_server


@dataclass(frozen=True)
class Family:
    """Versions of one model: two that answer, in opposite order, and five that do not."""

    folder: Path  # with the policy that names the model
    first: Version
    second: Version  # what a shopper likes in the first is not liked in this one
    without_tower: Version
    without_files: Version
    broken: Version  # its catalogue is none
    cut_short: Version  # its numbers are too few
    older: Version  # its package is of an older layout

    @contextmanager
    def server(self, spool: Path) -> Iterator[ShopServer]:
        """Yield a server that answers by the first version; both aliases stand there."""
        for alias in ("champion", "challenger"):
            tracking.move_alias(alias, self.first)
        made = make_server(None, spool)
        made.champion.policy = load_policy(SHOP_RANKING, self.folder / "mlflow/registry.yaml")
        assert made.champion.refresh(), made.champion.state()
        yield made
        made.champion.close()
        made.log.close()


def make_family(folder: Path, mlflow_uri: str) -> Family:
    """Register all of them."""
    before = Path.cwd()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOPFUSION_MLFLOW_URI", mlflow_uri)
        settings.cache_clear()
        os.chdir(folder)
        try:
            shop = Shop(folder)
            shop.train()
            hide_names()
            shop.register()
            shop.train(scale=-1.0)
            hide_names()
            second, lacking = register_unseen(), register_unseen()
            without_tower = register_unseen({"parent_text": "no-such-tower/7"})
            broken, older = register_unseen(spoil=no_catalogue), register_unseen(spoil=older_layout)
            shop.train(scale=float("nan"))
            numbers = Path("models/fused/state/items/numbers.npy")
            np.save(numbers, np.load(numbers)[:3])
            cut_short = register_unseen()
        finally:
            os.chdir(before)
        uri = client.MlflowClient().get_model_version_download_uri(lacking.name, lacking.version)
        get_artifact_repository(uri).delete_artifacts()
        first = tracking.version(second.name, "1")
    settings.cache_clear()
    return Family(folder, first, second, without_tower, lacking, broken, cut_short, older)


def hide_names() -> None:
    """Let the shop know its shoppers by pseudonym, as data ingestion does: a server asks by it."""
    path = Path("data/prepared/users.parquet")
    users = read_table(path)
    hidden = [pseudonym_of(name) for name in users["user_id"].to_pylist()]
    write_table(users.set_column(1, "user_id", pa.array(hidden)), path)


def no_catalogue(ranker: Path) -> None:
    (ranker / "shop" / "items.parquet").write_bytes(b"no catalogue")


def older_layout(ranker: Path) -> None:
    chosen = json.loads((ranker / "chosen.json").read_text())
    (ranker / "chosen.json").write_text(json.dumps(chosen | {"layout": 1}))


def register_unseen(
    tags: dict[str, str] | None = None, spoil: Callable[[Path], None] = lambda ranker: None
) -> Version:
    """Register what lies in the folder past the gate, as a person could by hand."""
    first = tracking.version(load_policy(SHOP_RANKING).leading, "1")
    with TemporaryDirectory() as scratch:
        package = ranker_package(Path("models/fused"), Path("data/prepared"), Path(scratch))
        spoil(package.folder)
        with tracking.stage_run("by_hand", Params()):
            return tracking.register(package, first.name, dict(first.tags) | (tags or {}))
