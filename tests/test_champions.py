"""Drift and feedback go by what the champion's run was registered with, not by a folder here."""

import io
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from components import champions
from components.commands import feedback
from components.platform import storage
from components.platform.feedback.partitions import key_of
from components.shop_ranking.application import SHOP_RANKING
from tests.platform.feedback.test_ingestion import DAY, SHOWN, record, ship
from tests.published import make_champion, publish

ROOT = Path(__file__).parents[1]
pytestmark = [pytest.mark.xdist_group("store"), pytest.mark.usefixtures("bucket", "own_mlflow")]
HOURS, SEED = 1, 7  # of the champion's run


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the params and the policy of this repository, in which the test works."""
    (tmp_path / "mlflow").mkdir()
    for name in ("params.yaml", "mlflow/registry.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def champion(checkout: Path) -> None:
    """A champion whose run was told otherwise than the checkout, and had two products."""
    values = yaml.safe_load((checkout / "params.yaml").read_text()) or {}
    values |= {"seed": SEED, "feedback": {"attribution_hours": HOURS}}
    products = io.BytesIO()
    pq.write_table(pa.table({"item_id": ["milk", "eggs"]}), products)
    tables = {"products.parquet": products.getvalue()}
    publish("its-run", checkout / "workspace", yaml.safe_dump(values), tables)
    make_champion("fused-ranker", "its-run", checkout)


def joined() -> int:
    """Clicks that ingestion found an impression for; one came two hours after it."""
    ship("s-0", [*SHOWN, record("click", "milk", 120, "c", impression_id="i1")])
    assert feedback.main([]) == 0
    rows = pq.read_table(io.BytesIO(storage.get(key_of(DAY, "labelled.parquet"))))
    return sum(rows["clicked"].to_pylist())


def test_feedback_is_ingested_by_the_params_of_the_champions_run(champion, capsys):
    assert joined() == 0
    assert "feedback by the params of shop_ranking's champion: " in capsys.readouterr().out


def test_before_there_is_a_champion_those_of_the_checkout_hold_and_a_line_says_so(checkout, capsys):
    assert joined() == 1
    said = capsys.readouterr().out
    assert "shop_ranking: there is no champion yet" in said
    assert "feedback by the params of params.yaml: no champion's run says others" in said


def test_a_champion_whose_run_was_not_published_is_told_from_none(checkout, capsys):
    make_champion("fused-ranker", "by-hand", checkout)
    assert champions.feedback_params(checkout).feedback.attribution_hours == 24
    assert "clear the task `publish` of the run by-hand" in capsys.readouterr().out


def test_the_tasks_of_the_dag_go_by_the_same_params(champion, monkeypatch, capsys):
    from orchestration import feeding

    asked = []
    owner = replace(SHOP_RANKING, counterfactual=lambda params, *_: asked.append(params) or 3)
    monkeypatch.setattr(feeding, "APPLICATIONS", (owner,))
    assert feeding.counterfactual() == 3
    (params,) = asked
    assert (params.seed, params.feedback.attribution_hours) == (SEED, HOURS)
    ship("s-0", [*SHOWN, record("click", "bread", 1, "c", impression_id="i1")])
    assert feeding.ingest(None) == [str(DAY)]
    account = storage.get(key_of(DAY, "account.json")).decode()
    assert "item_id is in no catalogue of the shop" in account  # the champion's products alone
    assert feeding.judge() == []
    assert capsys.readouterr().out.count("feedback by the params of shop_ranking's champion") == 2
