"""The stage against a real MLflow server: versions, aliases, tags, and doing it twice."""

import json
import socket
from pathlib import Path

import mlflow as client
import pandas as pd
import pytest
import yaml

from components.platform import tracking
from components.platform.application import Packages
from components.platform.errors import DataError, ParamsError, RegistryError
from components.platform.files import read_table, write_json, write_table
from components.platform.registry import registering
from components.platform.registry.policy import load_policy
from components.platform.settings import settings
from components.shop_ranking.application import SHOP_RANKING
from components.shop_ranking.model_registration.provenance import lock_digest
from components.shop_ranking.params import Params
from tests.shop_ranking.model_registration.handmade import (
    CHOSEN,
    write_evaluation,
)
from tests.shop_ranking.model_registration.shop import Shop

# One MLflow server for both files, also where tests run in several processes.
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("registry")]


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """An empty run folder, with a name of its own in the registry for the fused model."""
    monkeypatch.chdir(tmp_path)
    return Shop(tmp_path)


FEW = Params.model_validate({"baselines": {"ranked": ["popularity"]}})  # as a refresh ranks


def test_first_model_that_beats_the_baselines_is_champion(mlflow, shop):
    shop.train()
    verdict = shop.register()
    assert (verdict["gate"], verdict["aliases"]) == ("passed", "champion challenger")
    assert shop.aliases() == {"champion": "1", "challenger": "1"}
    assert verdict["lines"]["primary/ndcg/all/all"]["reference"] == "frequency"
    answer = tracking.load(f"models:/{shop.fused}@champion").predict(
        pd.DataFrame({"user_id": ["shopper-01", "stranger"], "k": [3, 3]})
    )
    assert [len(items) for items in answer["item_ids"]] == [3, 3]


def test_versions_say_where_they_come_from(mlflow, shop, monkeypatch):
    monkeypatch.setenv("SHOPFUSION_GIT_REVISION", "abc123")
    settings.cache_clear()
    shop.train()
    lock = Path("dvc.lock")
    entry = {"cmd": "python -m components fusion_training", "outs": [{"md5": "0123"}]}
    lock.write_text(yaml.safe_dump({"schema": "2.0", "stages": {"fusion_training": entry}}))
    verdict = shop.register()
    version = tracking.version_at(shop.fused, "champion")
    tags = version.tags
    assert tags["fusion"] == json.loads(Path("models/fused/chosen.json").read_text())["method"]
    assert tags["parent_text"] == verdict["versions"]["text"]
    assert tags["parent_text"].startswith("text-tower/")
    assert tags["dataset"] == "complete-journey"
    assert tags["pictures"] == "rendered"
    assert tags["simulated"] == "false"
    assert tags["data_first_event"] == "2017-10-01"
    assert tags["cut_test"] == "2017-11-01"
    assert tags["git_revision"] == "abc123"
    own = {"fusion_training": entry, "model_registration": {"cmd": "this very stage"}}
    lock.write_text(yaml.safe_dump({"schema": "2.0", "stages": own}))  # as DVC leaves it
    assert tags["dvc_lock"] == lock_digest(lock)
    own["fusion_training"] = entry | {"outs": [{"md5": "4567"}]}
    lock.write_text(yaml.safe_dump({"schema": "2.0", "stages": own}))
    assert tags["dvc_lock"] != lock_digest(lock)
    made = client.get_run(version.run_id)
    assert made.inputs.dataset_inputs[0].dataset.name == "complete-journey"
    model = client.models.get_model_info(f"models:/{shop.fused}@champion")
    assert model.signature.inputs.input_names() == ["user_id", "history", "k"]
    assert model.saved_input_example_info is not None
    described = client.MlflowClient().get_model_version(shop.fused, "1").description
    assert "| primary | ndcg/all/all | 0.45 |" in described


def test_registered_tower_comes_back_as_it_was(mlflow, shop, tmp_path):
    shop.train()
    uri = f"models:/{shop.register()['versions']['behaviour']}"
    back, own = tracking.download(uri, tmp_path / "fetched"), Path("models/behaviour")
    files = [path.relative_to(own) for path in own.rglob("*") if path.is_file()]
    assert [path for path in files if (back / path).read_bytes() != (own / path).read_bytes()] == []
    with pytest.raises(RegistryError, match="no-such-tower"):
        tracking.download("models:/no-such-tower/1", tmp_path / "none")


def test_same_content_again_changes_nothing(mlflow, shop):
    shop.train()
    first = shop.register()
    client.MlflowClient().delete_registered_model_alias(shop.fused, "challenger")
    assert shop.register() == {**first, "aliases": "champion"}
    assert shop.versions() == ["1"]
    assert shop.aliases() == {"champion": "1"}


def test_later_models_meet_the_champion_and_wait_for_a_person(mlflow, shop):
    shop.train()
    shop.register()
    shop.train(scale=2, ndcg=0.50)
    better = shop.register()
    assert (better["gate"], better["aliases"]) == ("passed", "challenger")
    assert better["against"] == f"{shop.fused}/1"
    assert shop.aliases() == {"champion": "1", "challenger": "2"}
    shop.train(scale=3, ndcg=0.30)
    worse = shop.register()
    assert (worse["gate"], worse["aliases"]) == ("rejected", "challenger")
    assert "ndcg/all/all" in worse["reasons"]
    assert shop.aliases() == {"champion": "1", "challenger": "3"}


def test_a_refresh_is_judged_by_the_champion_and_without_one_by_no_fewer_baselines(mlflow, shop):
    shop.train()
    with pytest.raises(ParamsError, match=r"every baseline in baselines\.ranked while"):
        shop.register(FEW)
    assert shop.aliases() == {}
    shop.register()
    shop.train(scale=2, ndcg=0.50)
    better = shop.register(FEW)
    assert (better["gate"], better["against"]) == ("passed", f"{shop.fused}/1")


def test_first_model_below_the_baselines_is_no_champion(mlflow, shop):
    shop.train(ndcg=0.35)
    verdict = shop.register()
    assert (verdict["gate"], verdict["aliases"]) == ("rejected", "challenger")
    assert tracking.version_at(shop.fused, "champion") is None


def test_other_data_is_not_compared(mlflow, shop):
    shop.train()
    shop.register()
    shop.train(scale=2, ndcg=0.9, dataset="retailrocket")
    verdict = shop.register()
    assert (verdict["gate"], verdict["aliases"]) == ("not comparable", "challenger")
    assert "complete-journey, this run on retailrocket" in verdict["reasons"]
    assert shop.aliases() == {"champion": "1", "challenger": "2"}


def test_on_other_rows_the_champion_that_ranked_them_is_the_reference(mlflow, shop):
    shop.train()
    shop.register()
    shop.train(scale=2, ndcg=0.60)
    targets = Path("data/prepared/cuts/test/targets.parquet")
    table = read_table(targets)
    write_table(table.slice(0, table.num_rows - 1), targets)
    name = f"{shop.fused}/1"
    without = shop.register()
    assert (without["gate"], "tested on test_rows" in without["reasons"]) == (
        "not comparable",
        True,
    )
    for version, outcome in ((f"{shop.fused}/9", "not comparable"), (name, "passed")):
        shop.train(scale=3 + (outcome == "passed"), ndcg=0.60)
        write_table(table.slice(0, table.num_rows - 1), targets)
        write_evaluation(
            Path("reports/evaluation"), {CHOSEN: 0.60, "frequency": 0.42, "champion": 0.45}
        )
        write_json({"version": version}, Path("models/champion/champion.json"))
        ranked = Path("models/champion/rankings/test/champion.npz")
        ranked.parent.mkdir(parents=True, exist_ok=True)
        ranked.touch()
        registered = shop.register()
        assert registered["gate"] == outcome
    assert registered["against"] == name
    assert registered["lines"]["primary/ndcg/all/all"]["reference_value"] == pytest.approx(0.45)


@pytest.mark.parametrize("why", ["before a tower", "older layout"])
def test_a_champion_that_this_code_refuses_is_compared_but_for_its_latency(
    mlflow, shop, monkeypatch, why
):
    shop.train()
    shop.register()
    fetch = registering.fetch

    def fetched(application, version, folder) -> Packages:
        packages = fetch(application, version, folder)
        fused = packages.folders["fused"]
        if why == "before a tower":
            write_json(["behaviour", "text"], fused / "state/items/vectors.json")
        else:
            chosen = json.loads((fused / "chosen.json").read_text())
            write_json(chosen | {"layout": 1}, fused / "chosen.json")
        return packages

    monkeypatch.setattr(registering, "fetch", fetched)
    shop.train(scale=2, ndcg=0.50)
    verdict = shop.register()
    assert (verdict["gate"], verdict["against"]) == ("passed", f"{shop.fused}/1")
    assert verdict["notes"].startswith("latency_ms is not compared with the champion's: expected")
    assert "train the fusion again" in verdict["notes"]
    assert "\n" not in verdict["notes"]
    line = verdict["lines"]["most/latency_ms"]
    assert "reference_value" not in line
    assert line["value"] > 0
    described = client.MlflowClient().get_model_version(shop.fused, "2").description
    assert verdict["notes"] in described


def test_wiped_registry_is_filled_again(mlflow, shop):
    shop.train(towers=shop.names)
    first = shop.register()
    for name in load_policy(SHOP_RANKING).names.values():
        client.MlflowClient().delete_registered_model(name)
    assert tracking.version_at(shop.fused, "champion") is None
    again = shop.register()
    assert again["versions"] == first["versions"]
    assert shop.aliases() == {"champion": "1", "challenger": "1"}


def test_killed_before_the_aliases_moved_is_completed_by_the_next_run(mlflow, shop, monkeypatch):
    def dies(alias, version):
        raise RegistryError("MLflow", "nothing", "start it")

    shop.train()
    with monkeypatch.context() as patch:
        patch.setattr(registering.tracking, "move_alias", dies)
        with pytest.raises(RegistryError):
            shop.register()
    assert shop.aliases() == {}
    assert not Path("reports/registration.json").exists()
    assert shop.register()["aliases"] == "champion challenger"
    assert shop.versions() == ["1"]


def test_server_that_does_not_answer_is_one_line(shop, monkeypatch):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}"
    monkeypatch.setenv("SHOPFUSION_MLFLOW_URI", nobody)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    settings.cache_clear()
    shop.train()
    with pytest.raises(RegistryError, match=nobody) as caught:
        shop.register()
    assert "\n" not in str(caught.value)
    assert not Path("reports/registration.json").exists()


def test_missing_measurements_name_the_file(mlflow, shop):
    shop.train()
    Path("reports/evaluation/per_user.parquet").unlink()
    with pytest.raises(DataError, match=r"per_user\.parquet"):
        shop.register()
    write_evaluation(Path("reports/evaluation"), {"frequency": 0.4})
    with pytest.raises(DataError, match="measurements of rank-ensemble"):
        shop.register()
