"""The champion on new test rows: the ranking it would have been measured by, from the registry."""

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.sparse import csr_array

from components.platform import tracking
from components.platform.files import read_table, write_json
from components.platform.registry.policy import POLICY, load_policy
from components.platform.settings import settings
from components.shop_ranking.application import SHOP_RANKING
from components.shop_ranking.behaviour_pretraining import component as behaviour_pretraining
from components.shop_ranking.champion_ranking.component import run
from components.shop_ranking.champion_ranking.knowledge import on_rows
from components.shop_ranking.drift.predictions import read_champion
from components.shop_ranking.engine.engine import Engine
from components.shop_ranking.engine.fused_rankings import fused_rankings
from components.shop_ranking.engine.fusion.rank_ensemble import RankEnsemble
from components.shop_ranking.engine.rankings import Rankings, read_candidates
from components.shop_ranking.engine.reading import read_cuts, read_states
from components.shop_ranking.engine.test_rows import measured_at, rows_digest
from components.shop_ranking.engine.towers import content_tower
from components.shop_ranking.engine.trained_with import TrainedWith
from components.shop_ranking.model_registration.packages import ranker_package, tower_package
from components.shop_ranking.params import Params
from tests.registries import new_registry
from tests.shop_ranking.engine.standins import proposing
from tests.world import TinyWorld, make_world, tiny_params

NEW, BOUGHT = 10, 10


@dataclass(frozen=True)
class Champion:
    """A registered champion, and the ranking it was measured by."""

    params: Params
    policy: Path
    measured: Rankings


@pytest.fixture(scope="module")
def champion(
    tiny_world: TinyWorld, standins: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Champion:
    folder = tmp_path_factory.mktemp("champion")
    params = tiny_params(
        behaviour={"dim": 16, "width": 16, "epochs": 1, "refresh_epochs": 0},
        fusion={"new_candidates": NEW, "bought_candidates": BOUGHT},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("SHOPFUSION_MLFLOW_URI", new_registry(folder))
        settings.cache_clear()
        shutil.copy(Path(__file__).parents[3] / "requirements-serving.lock", folder)
        prepared = tiny_world.prepared
        behaviour_pretraining.run(params, prepared, folder / "behaviour")
        towers = {"behaviour": folder / "behaviour"}
        for name in ("text", "image"):
            towers[name] = folder / name
            towers[name].mkdir()
            vectors_ID = np.load(standins[name] / "test" / "item_vectors.npy")
            content_tower.write_vectors(towers[name], prepared, vectors_ID, 45.0)
            write_json({"name": name}, towers[name] / "tower.json")
        cut = read_cuts(prepared)[-1]
        items, shoppers = read_states(
            prepared, "test", towers, standins["baselines"], cut["target_events"]
        )
        evaluated = read_candidates(prepared, "test")
        tested = shoppers.take(np.flatnonzero(np.isin(shoppers.users, evaluated.users)))
        candidates = Engine(items, proposing(NEW, BOUGHT)).candidates(tested)
        fusion, fused = RankEnsemble(), folder / "fused"
        fusion.save(fused / fusion.name)
        items.save(fused / "state" / "items")
        shoppers.save(fused / "state" / "shoppers")
        chosen = {"method": fusion.name, **TrainedWith.of(params).values()}
        write_json(chosen, fused / "chosen.json")
        with tracking.stage_run("model_registration", params):
            parents = {}
            for name, tower in towers.items():
                made = tracking.register(tower_package(tower, prepared, folder), name, {})
                parents[f"parent_{name}"] = f"{made.name}/{made.version}"
            tags = {"dataset": "simulated-shop", "test_rows": "others", "trained_until": cut["day"]}
            ranker = ranker_package(fused, prepared, folder)
            version = tracking.register(ranker, "ranker", tags | parents)
        tracking.move_alias("champion", version)
        policy = yaml.safe_load((Path(__file__).parents[3] / POLICY).read_text())
        policy["applications"]["shop_ranking"]["models"]["fused"] = "ranker"
        (folder / "registry.yaml").write_text(yaml.safe_dump(policy))
        measured = fused_rankings(fusion.score(candidates), candidates, evaluated, seconds=0.0)
        yield Champion(params, folder / "registry.yaml", measured)
        settings.cache_clear()


def described(folder: Path) -> dict:
    return json.loads((folder / "champion.json").read_text())


def test_on_its_own_cut_it_ranks_as_it_was_measured(champion, tiny_world, tmp_path):
    out = tmp_path / "champion"
    run(champion.params, prepared=tiny_world.prepared, champion=out, policy=champion.policy)
    assert described(out)["version"] == "ranker/1"
    again = Rankings.load(out / "rankings/test/champion.npz")
    np.testing.assert_array_equal(again.users, champion.measured.users)
    np.testing.assert_array_equal(again.all, champion.measured.all)
    np.testing.assert_array_equal(again.novel, champion.measured.novel)


def test_it_ranks_another_preparation_with_other_items_and_later_histories(
    champion, tiny_world, tmp_path
):
    """Rows are numbered anew there; a champion that mixed them up would rank like chance."""
    day = read_cuts(tiny_world.prepared)[-1]["day"]
    later = str(np.datetime64(day) + np.timedelta64(7, "D"))
    wanted = {"test_cut": later, "horizon_days": 7, "min_item_sessions": 1}
    world = make_world(tmp_path / "later", tiny_params(preparation=wanted))
    assert read_table(world.prepared / "items.parquet").num_rows > (
        read_table(tiny_world.prepared / "items.parquet").num_rows
    )
    out = tmp_path / "champion"
    run(champion.params, prepared=world.prepared, champion=out, policy=champion.policy)
    ranked, evaluated = Rankings.load(out / "rankings/test/champion.npz"), world.prepared
    np.testing.assert_array_equal(ranked.users, read_candidates(evaluated, "test").users)
    targets = read_table(evaluated / "cuts/test/targets.parquet")
    wanted_pairs = set(
        zip(targets["user_index"].to_pylist(), targets["item_index"].to_pylist(), strict=True)
    )
    top = [(u, i) for u, row in zip(ranked.users, ranked.all[:, :10], strict=True) for i in row]
    hits = np.mean([(int(u), int(i)) in wanted_pairs for u, i in top])
    shifted = np.mean([(int(u), int(i + 7)) in wanted_pairs for u, i in top])
    assert hits > 1.5 * shifted


def test_it_does_not_rank_without_need_or_reason(
    champion, tiny_world, tmp_path, monkeypatch, capsys
):
    def reason(tags: dict[str, str], params: Params = champion.params) -> str:
        version = tracking.version_at("ranker", "champion")
        changed = tracking.Version("ranker", "1", version.run_id, {**version.tags, **tags})
        monkeypatch.setattr(tracking, "version_at", lambda *_: changed if tags else None)
        out = tmp_path / "champion"
        run(params, prepared=tiny_world.prepared, champion=out, policy=champion.policy)
        monkeypatch.undo()
        assert not (out / "rankings").exists()
        assert described(out) == {"version": None}  # the same bytes: evaluation stays cached
        said = capsys.readouterr().out.strip().splitlines()[-1]
        return said.removeprefix("the champion does not rank: ")

    same = {
        "test_rows": rows_digest(tiny_world.prepared, "test"),
        "measured_at": measured_at(champion.params.evaluation),
    }
    assert reason({}) == "there is none"
    assert reason({"dataset": "tables"}) == "it is of dataset tables"
    assert reason(same) == "it was measured on these rows already"
    assert reason({"trained_until": "2999-01-01"}).startswith("it was trained until 2999-01-01")
    assert load_policy(SHOP_RANKING, champion.policy).leading == "ranker"


def rank_the_test_cut(champion: Champion, world: TinyWorld, folder: Path) -> None:
    out = folder / "champion"
    run(champion.params, prepared=world.prepared, champion=out, policy=champion.policy)


def watch_it(champion: Champion, world: TinyWorld, folder: Path) -> None:
    version = tracking.version_at("ranker", "champion")
    assert version is not None
    tagged = replace(version, tags={**version.tags, "content": "digest"})
    assert len(read_champion(tagged, folder / "rankings").users)


def reuse_its_behaviour_tower(champion: Champion, world: TinyWorld, folder: Path) -> None:
    behaviour = champion.params.behaviour.model_copy(update={"reuse": "models:/behaviour/1"})
    params = champion.params.model_copy(update={"behaviour": behaviour})
    behaviour_pretraining.run(params, world.prepared, folder / "tower")


@pytest.mark.parametrize("use", [rank_the_test_cut, watch_it, reuse_its_behaviour_tower])
def test_what_is_downloaded_of_the_registry_is_removed(
    champion: Champion,
    tiny_world: TinyWorld,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    use: Callable[[Champion, TinyWorld, Path], None],
) -> None:
    """Nightly jobs use a package each time; MLflow's own temporary folders are never removed."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    fetched: list[Path] = []
    real = tracking.download

    def download(uri: str, folder: Path) -> Path:
        package = real(uri, folder)
        assert package.is_relative_to(folder)
        fetched.append(package)
        return package

    monkeypatch.setattr(tracking, "download", download)
    use(champion, tiny_world, tmp_path)
    assert fetched
    assert not any(package.exists() for package in fetched)
    assert list(temporary.iterdir()) == []


def test_weights_between_known_items_move_with_them_and_new_items_have_none():
    weights = csr_array(np.array([[0, 1, 2], [3, 0, 4], [5, 6, 0]], np.float32))
    moved = on_rows(weights, np.array([2, -1, 0])).toarray()
    assert moved.tolist() == [[0, 0, 5], [0, 0, 0], [2, 0, 0]]
