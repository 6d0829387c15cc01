"""What the benchmark of the whole loop tells its challengers: what their DAGs would."""

import json
from pathlib import Path

import pytest
import yaml

from benchmarks.whole_loop import CHALLENGERS, keep_overrides
from components.platform import tracking
from components.platform.settings import settings
from components.platform.tracking import Version
from components.shop_ranking.params import Params
from tests.registries import new_registry


def test_challengers_are_told_what_the_frozen_run_was_and_what_their_dags_add(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOPFUSION_MLFLOW_URI", new_registry(tmp_path))
    settings.cache_clear()
    workspace = tmp_path / "frozen"
    workspace.mkdir()
    (workspace / "params.yaml").write_text(yaml.safe_dump(Params().model_dump(mode="json")))
    (workspace / ".run.json").write_text(json.dumps({"overrides": {"seed": 7}}))
    keep_overrides(workspace)
    assert yaml.safe_load(tracking.run_tags("pipeline", "frozen")["overrides"]) == {"seed": 7}
    champion = Version("fused-ranker", "1", "run", {"fusion": "stacking"})
    added = {name: more(champion) for name, more in CHALLENGERS.items()}
    assert added["retrained"] == {"warm_start": True}
    assert (added["refreshed"]["retrain"], added["refreshed"]["fusion.only"]) == ([], "stacking")
