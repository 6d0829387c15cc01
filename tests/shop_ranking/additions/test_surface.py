"""Two surfaces, added to a copy of the repository: answers, logs, counterfactuals, pages."""

import json

import pytest

from tests.shop_ranking.additions.copying import Copy

pytestmark = pytest.mark.xdist_group("store")
ALSO_BOUGHT = '''
"""Also bought: what others bought in one visit with the item that is looked at."""

from components.shop_ranking.surfaces.registration import PageRow, Surface


def propose(row):
    """Return what was bought with the item, in an order that knows the shopper too."""
    return row.recommender.beside(row, row.recommender.goes_with(row.context))


SURFACE = Surface(
    name="also_bought",
    context="item",
    propose=propose,
    reason="who bought {title} bought it too",
    pages=(PageRow("item", "Also bought", length=4, place=5),),
)
'''
TRENDING = '''
"""Trending: what sells most, whoever asks."""

import numpy as np

from components.shop_ranking.surfaces.registration import PageRow, Surface


def propose(row):
    """Return the most popular items that are allowed."""
    popular = row.recommender.engine.popular
    items = popular[row.allowed[popular]][: row.wanted]
    return items, np.linspace(1, 0, len(items), dtype=np.float32)


SURFACE = Surface(
    name="trending",
    propose=propose,
    reason="it sells most this month",
    pages=(PageRow("home", "Trending"),),
)
'''
USES_SURFACES = """
import html, io, json, sys
from pathlib import Path
from fastapi.testclient import TestClient
import pyarrow.parquet as pq
from components.platform import object_cache, storage
from components.platform.application import Packages
from components.platform.feedback import ingestion
from components.platform.feedback.judging import judge
from components.platform.feedback.off_policy import counterfactual_key
from components.platform.serving.live_events import LiveEvents
from components.platform.serving.segments import PREFIX, framed, shipped_form
from components.shop_ranking.params import Params
from components.shop_ranking.serving.champion import Champion
from components.shop_ranking.serving.counterfactual import choose, known_events, sampled_answers
from tests.shop_ranking.serving.shop import app_of, logged_by, make_server, user_ids

version, folders = json.loads(sys.argv[1])
packages = Packages(version, {name: Path(folder) for name, folder in folders.items()})
params = Params.model_validate({"serving": {"exploration": 0.5}})
server = make_server(packages, Path("spool"), params)
champion = server.champion.current()
user = user_ids(champion, 1)[0]
row = int(champion.engine.popular[0])
item = champion.catalogue.item_id[row]
title = champion.catalogue.title[row] or item
answers = {}
with TestClient(app_of(server)) as client:

    def ask(path, **body):
        answer = client.post(path, json={"user_id": user} | body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    for surface, said in (("also_bought", f"ho bought {title} bought it too"),
                          ("trending", "t sells most this month")):
        answer = answers[surface] = ask("/recommend", surface=surface, item_id=item, k=4)
        shown = [line["item_id"] for line in answer["items"]]
        assert answer["surface"] == surface and len(set(shown)) == 4, answer
        assert surface == "trending" or item not in shown
        told = client.get(f"/explain/{answer['impression_id']}").json()
        assert told["surface"] == surface
        assert all(said in line["sentence"] for line in told["items"]), told
        why = html.unescape(client.get(f"/why/{answer['impression_id']}").text)
        assert surface.replace("_", " ") in why and said in why
        click = {"event_id": surface, "action_name": "click", "user_id": user,
                 "query_id": answer["impression_id"], "timestamp": server.clock.now().isoformat(),
                 "event_attributes": {"object": {"object_id": shown[0]},
                                      "position": {"ordinal": 1}}}
        key = {"Authorization": "Bearer events"}
        taken = client.post("/events", json={"events": [click]}, headers=key).json()
        assert (taken["accepted"], taken["rejected"]) == (1, []), taken
        assert ask("/ads", surface=surface, item_id=item)["surface"] == surface
    for _ in range(24):  # a guess of one half of the answers is learnt in the other
        ask("/recommend", surface="trending", k=4)
    stranger = client.post("/recommend", json={"surface": "also_bought", "k": 4}).json()
    assert len(stranger["items"]) == 4  # no item is looked at: home's
    assert "Also bought" in client.get(f"/item/{item}", params={"shopper": user}).text
    assert "Trending" in client.get("/", params={"shopper": user}).text
    unknown = client.post("/recommend", json={"surface": "moon"}).json()["detail"]
    assert "'also_bought' or 'trending'" in unknown, unknown

records = logged_by(server)
for surface, answer in answers.items():
    logged = [line for line in records if line.get("impression_id") == answer["impression_id"]]
    shown = [line for line in logged if line["event_type"] == "impression"]
    assert [line["propensity"] for line in shown] == [
        line["propensity"] for line in answer["items"]]
    assert 0 < shown[0]["propensity"] < 1 and {line["surface"] for line in shown} == {surface}
    assert [line["event_type"] for line in logged].count("click") == 1

storage.put(shipped_form(framed(records)), f"{PREFIX}s-0.jsonl.gz")
ingestion.run(params)
object_cache.copy_all("feedback/", Path("feedback"), ".parquet")
(metrics,) = Path("feedback").glob("*/metrics.parquet")
clicks = {line["surface"]: line["clicks"] for line in pq.read_table(metrics).to_pylist()
          if line["position"] is None}
assert clicks["also_bought"] == clicks["trending"] == 1, clicks

live = LiveEvents()
challenger = Champion.load(packages, params, live)
asked = sampled_answers(Path("feedback"), challenger.as_of, params)
by_surface = {line["impression_id"]: line["surface"] for line in asked}
assert "trending" in by_surface.values() and "also_bought" not in by_surface.values()
chosen = choose(challenger, live, asked, known_events(Path("feedback"), challenger.as_of))
propensities = {(line["position"], line["item_id"]): line["probability"]
                for line in chosen.to_pylist()
                if line["impression_id"] == answers["trending"]["impression_id"]}
for line in answers["trending"]["items"]:
    assert abs(propensities[line["position"], line["item_id"]] - line["propensity"]) < 1e-6
buffer = io.BytesIO()
pq.write_table(chosen, buffer)
storage.put(buffer.getvalue(), counterfactual_key("ranker/challenger"))
judged = judge(params)["ranker/challenger"]
print(json.dumps([judged["answers"], len(set(chosen["impression_id"].to_pylist()))]))
server.log.close()
"""


def test_a_surface_is_one_new_file(tmp_path, packages, bucket, monkeypatch):
    copy = Copy(tmp_path / "copy")
    copy.add("components/shop_ranking/surfaces/also_bought.py", ALSO_BOUGHT)
    assert [len(files) for files in copy.touched()] == [1, 0]
    copy.add("components/shop_ranking/surfaces/trending.py", TRENDING)
    assert [len(files) for files in copy.touched()] == [2, 0]
    monkeypatch.setenv("SHOPFUSION_EVENT_KEY", "events")
    monkeypatch.setenv("SHOPFUSION_MLFLOW_URI", f"sqlite:///{tmp_path}/registry.db")
    served = json.dumps([packages.version, {key: str(path) for key, path in
                                            packages.folders.items()}])  # fmt: skip
    printed = copy.run(USES_SURFACES, served, work=copy.folder)
    judged, chosen = json.loads(printed.splitlines()[-1])
    assert judged == chosen > 0
