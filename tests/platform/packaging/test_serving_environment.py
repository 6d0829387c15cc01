"""The registered models answer where only requirements-serving.lock is installed."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shop_ranking.model_registration.handmade import ITEMS, ROOT
from tests.shop_ranking.model_registration.shop import Shop

# One MLflow server for both files, also where tests run in several processes.
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("registry")]

ASK = """
import importlib.util, json, sys
import mlflow, pandas as pd
assert importlib.util.find_spec("components") is None
mlflow.set_tracking_uri(sys.argv[1])
ranker = mlflow.pyfunc.load_model(f"models:/{sys.argv[2]}@champion")
tower = mlflow.pyfunc.load_model("models:/text-tower/1")

def ask(**columns):
    try:
        return ranker.predict(pd.DataFrame(columns)).to_dict("list")
    except Exception as error:
        return f"{type(error).__name__}: {error}"

print(json.dumps({
    "known": ask(user_id=["shopper-01"]),
    "two": ask(user_id=["shopper-01", "shopper-02"], k=[2, 5]),
    "unknown": ask(user_id=["stranger"], k=[3]),
    "with_history": ask(user_id=["stranger"], history=[["item-07"]], k=[3]),
    "unknown_item": ask(user_id=["stranger"], history=[["no-such-item", "item-07"]], k=[3]),
    "empty_history": ask(user_id=["stranger"], history=[[]], k=[3]),
    "null_history": ask(user_id=["stranger", "stranger"], history=[None, ["item-07"]], k=[3, 3]),
    "k_0": ask(user_id=["stranger"], k=[0]),
    "k_huge": ask(user_id=["stranger"], k=[10_000]),
    "no_user": ask(user_id=[None]),
    "vectors": tower.predict(pd.DataFrame({
        "kind": ["item", "user", "user", "item"],
        "id": ["item-00", "shopper-00", "shopper-03", "no-such-item"],
    }))["vector"].map(len).tolist(),
}))
"""


@pytest.fixture(scope="module")
def serving_python(tmp_path_factory) -> Path:
    """An environment with requirements-serving.lock and nothing else."""
    folder = tmp_path_factory.mktemp("serving") / "venv"
    python, lock = folder / "bin/python", ROOT / "requirements-serving.lock"
    if uv := shutil.which("uv"):
        commands = [
            [uv, "venv", "-q", "--python", sys.executable, folder],
            [uv, "pip", "install", "-q", "--python", python, "-r", lock],
        ]
    else:
        commands = [
            [sys.executable, "-m", "venv", folder],
            [python, "-m", "pip", "install", "-q", "--no-deps", "-r", lock],
        ]
    for command in commands:
        subprocess.run(command, check=True, cwd=folder.parent)
    return python


@pytest.fixture
def answers(mlflow, serving_python, tmp_path, monkeypatch) -> dict:
    monkeypatch.chdir(tmp_path)
    shop = Shop(tmp_path)
    shop.train()
    shop.register()
    finished = subprocess.run(
        [serving_python, "-I", "-c", ASK, mlflow, shop.fused],
        capture_output=True,
        text=True,
        check=False,
        cwd=serving_python.parents[3],
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout.splitlines()[-1])


def test_answers_known_and_unknown_shoppers(answers):
    assert len(answers["known"]["item_ids"][0]) == 10
    assert [len(items) for items in answers["two"]["item_ids"]] == [2, 5]
    scores = answers["known"]["scores"][0]
    assert scores == sorted(scores, reverse=True)
    assert len(set(answers["known"]["item_ids"][0])) == 10
    assert answers["unknown"] != answers["with_history"]
    assert len(answers["unknown"]["item_ids"][0]) == 3
    assert answers["unknown_item"] == answers["with_history"]
    assert answers["empty_history"] == answers["unknown"]
    null = answers["null_history"]
    assert null["item_ids"][0] == answers["unknown"]["item_ids"][0]
    assert null["item_ids"][1] == answers["with_history"]["item_ids"][0]
    assert f"k from 1 to {ITEMS}" in answers["k_0"]
    assert f"k from 1 to {ITEMS}" in answers["k_huge"]
    assert "a user_id in every row" in answers["no_user"]
    assert not any("\n" in answers[case] for case in ("k_0", "k_huge", "no_user"))
    assert answers["vectors"] == [4, 4, 0, 0]
