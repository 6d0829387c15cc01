"""An audio tower, added to a copy of the repository: fusion, registry, serving, explanations."""

import json

import pytest

from tests.shop_ranking.additions.copying import Copy

AUDIO = '''
"""Audio: a made-up signal of each product."""

from components.shop_ranking.towers.registration import ContentTowerParams, Tower


class AudioParams(ContentTowerParams):
    """Audio tower."""

    half_life_days: float = 45.0


TOWER = Tower(
    name="audio",
    params=AudioParams,
    train="components.shop_ranking.audio_pretraining.component",
    encode="components.shop_ranking.audio_pretraining.component:sounds",
    reason="it sounds like {title}",
    half_life=lambda params: params.half_life_days,
)
'''
TRAINING = '''
"""Audio pretraining: the signal is made up, so nothing is trained."""

from pathlib import Path

import numpy as np

from components.platform.files import atomic_folder, read_table, write_json
from components.shop_ranking.engine.towers.content_tower import write_vectors
from components.shop_ranking.engine.towers.encoding import content
from components.shop_ranking.params import Params


def run(params: Params, prepared: Path, tower: Path) -> None:
    """Write the vectors of every cut; the first two products have no sound."""
    items = read_table(prepared / "items.parquet", ["item_id"]).num_rows
    vectors_ID = np.full((items, 4), 1, np.float32)
    vectors_ID += np.random.default_rng(0).normal(0, 0.01, vectors_ID.shape).astype(np.float32)
    vectors_ID /= np.linalg.norm(vectors_ID, axis=1, keepdims=True)
    vectors_ID[:2] = np.nan
    with atomic_folder(tower) as folder:
        write_vectors(folder, prepared, vectors_ID, params.audio.half_life_days)
        write_json({"name": "audio", "dim": 4}, folder / "tower.json")


def sounds(asked):
    """Encode new products: their sound is not known."""
    return content(asked, lambda folder, new: (new[:0], np.zeros((0, 4), np.float32)))
'''
STAGE = """  audio_pretraining:
    desc: A made-up signal
    meta: {application: shop_ranking, group: pretraining, hours: 1}
    cmd: python -m components audio_pretraining
    deps:
      - components/shop_ranking/audio_pretraining
      - components/shop_ranking/engine/towers
      - components/shop_ranking/engine/history.py
      - components/platform/encoders
      - data/prepared
    params: [seed]
    outs: [models/audio]
  baseline_training:
"""
USERS_OF_TOWERS = (  # a dep and the one behind it: those of fusion training and registration
    ("      - models/image\n", "      - models/baselines\n"),
    ("      - models/image\n", "      - models/fused\n"),
)
USES_AUDIO = """
import importlib, json, shutil, sys
from pathlib import Path
import yaml
from components.applications import stages
from components.platform import tracking
from components.platform.application import Packages, Run
from components.platform.errors import ModelError
from components.platform.files import write_json
from components.platform.registry.policy import load_policy
from components.platform.registry.registering import register
from components.platform.serving.live_events import LiveEvents
from components.shop_ranking.application import SHOP_RANKING
from components.shop_ranking.engine.candidates import SOURCES
from components.shop_ranking.engine.feature_names import FEATURE_GROUPS
from components.shop_ranking.engine.reading import read_states
from components.shop_ranking.fusion_training import component as fusion
from components.shop_ranking.serving.api import RecommendRequest
from components.shop_ranking.serving.champion import Champion
from components.shop_ranking.serving.explaining import explanation
from components.shop_ranking.serving.impressions import Shown
from components.shop_ranking.towers import TOWERS
from tests.shop_ranking.model_registration.handmade import write_evaluation
from tests.world import tiny_params

world, copy = Path(sys.argv[1]), Path(sys.argv[2])
towers = json.loads(sys.argv[3])
params = tiny_params()
prepared = world / "data/prepared"
_, stage = stages()["audio_pretraining"]
assert stage.module == TOWERS["audio"].train and "audio_pretraining" in yaml.safe_load(
    (copy / "dvc.yaml").read_text())["stages"]
Path("models").mkdir()
for name in ("behaviour", "text", "image"):
    shutil.copytree(towers[name], f"models/{name}")
    write_json({"name": name, "dim": 16}, Path(f"models/{name}/tower.json"))
training = importlib.import_module(stage.module)
training.run(params, prepared, Path("models/audio"))
folders = {name: Path("models") / name for name in TOWERS}
fusion.run(params, prepared=prepared, baselines=Path(towers["baselines"]),
           fused=Path("models/fused"), methods=["stacking"], **folders)
assert "audio" in FEATURE_GROUPS and "audio" in SOURCES
assert "audio" in json.dumps(json.loads(Path("models/fused/candidate_recall.json").read_text()))
assert Path("models/fused/rankings/test/audio.npz").is_file()

write_evaluation(Path("reports/evaluation"), {"stacking": 0.45, "frequency": 0.42})
paths = {"tables": world / "data/tables", "prepared": prepared, "fused": Path("models/fused"),
         "champion": Path("models/champion"), "evaluation": Path("reports/evaluation"),
         "leaderboard": Path("reports/leaderboard.csv"), **folders}
shutil.copy(copy / "requirements-serving.lock", ".")
policy = yaml.safe_load((copy / "mlflow/registry.yaml").read_text())
policy["applications"]["shop_ranking"]["gate"]["bootstrap_samples"] = 200
Path("registry.yaml").write_text(yaml.safe_dump(policy))
rules = load_policy(SHOP_RANKING, Path("registry.yaml"))
assert rules.names["audio"] == "audio-tower"
scratch = Path("scratch"); scratch.mkdir()
with tracking.stage_run("model_registration", params):
    outcome = register(SHOP_RANKING, Run(params, paths, scratch), rules)
version = tracking.version_at(rules.leading, rules.aliases.challenger)
assert version.tags["parent_audio"].startswith("audio-tower/"), version.tags

packages = {"fused": scratch / "packages/fused"}
champion = Champion.load(Packages("fused-ranker/1", packages), params, LiveEvents())
said = []
for user in list(champion.shoppers.row)[:20]:
    request = RecommendRequest(user_id=user, k=20)
    answer = champion.recommend(request, champion.as_of)
    told = explanation(champion, Shown(answer, request, champion.as_of))
    said += [item.sentence for item in told.items]
assert any("sounds like" in sentence.lower() for sentence in said), said[:5]

shutil.rmtree("models/audio/test")
try:
    read_states(prepared, "test", folders, Path(towers["baselines"]), ("purchase",))
except ModelError as error:
    assert "models/audio/test" in str(error) and "\\n" not in str(error)
else:
    raise AssertionError("a tower without vectors was read")
print(json.dumps(outcome["versions"]))
"""


@pytest.mark.long
def test_a_tower_is_new_files_and_its_stage(tmp_path, tiny_world, standins, mlflow):
    copy = Copy(tmp_path / "copy")
    copy.add("components/shop_ranking/towers/audio.py", AUDIO)
    copy.add("components/shop_ranking/audio_pretraining/__init__.py", "")
    copy.add("components/shop_ranking/audio_pretraining/component.py", TRAINING)
    copy.edit("dvc.yaml", "  baseline_training:\n", STAGE)
    for image, following in USERS_OF_TOWERS:
        copy.edit("dvc.yaml", image + following, f"{image}      - models/audio\n{following}")
    new, edited = copy.touched()
    assert (len(new), edited) == (3, ["dvc.yaml"])
    work = tmp_path / "run"
    work.mkdir()
    towers = json.dumps({name: str(path) for name, path in standins.items()})
    printed = copy.run(USES_AUDIO, tiny_world.folder, copy.folder, towers, work=work)
    assert json.loads(printed.splitlines()[-1])["audio"].startswith("audio-tower/")
