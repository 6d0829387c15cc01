"""What a person reads before a version becomes champion."""

import json
import re
import tempfile
from pathlib import Path

import pytest

from components.platform import storage, tracking
from components.platform.feedback.off_policy import VALUES
from components.platform.promotion import Champions
from components.platform.registry import approval
from components.platform.registry.policy import load_policy
from components.shop_ranking.application import SHOP_RANKING

pytestmark = pytest.mark.xdist_group("store")
ROOT = Path(__file__).parents[3]
CONCLUSION = "clicks a slot 0.1000 (0.0900 to 0.1100) against 0.1200 logged: worse"


@pytest.fixture
def body(monkeypatch, tmp_path):
    """Return the body of the question about version 2, beside champion 1."""
    first, two = (tracking.Version("ranker", n, "run", {"gate": "passed"}) for n in "12")

    def run_folder(version: tracking.Version, name: str, folder: Path) -> Path:
        (folder / "verdict.md").write_text("Gate against ranker/1: **passed**")
        return folder

    monkeypatch.setattr(approval, "reconcile", lambda policy: Champions(first, None, two))
    monkeypatch.setattr(tracking, "run_folder", run_folder)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return lambda: approval.ask(load_policy(SHOP_RANKING))["body"]


def test_it_shows_what_logged_answers_say_of_this_version(bucket, body):
    assert "Off policy, from logged answers: not estimated yet" in body()
    storage.put(json.dumps({"ranker/2": {"conclusion": CONCLUSION}}).encode(), VALUES)
    assert "Gate against ranker/1: **passed**" in body()
    assert f"Off policy, from logged answers: {CONCLUSION}" in body()
    storage.put(json.dumps({"ranker/1": {"conclusion": CONCLUSION}}).encode(), VALUES)
    assert CONCLUSION not in body()


def test_what_is_downloaded_for_the_question_is_removed(no_store, body, tmp_path):
    body()
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_away_does_not_stop_the_question(no_store, body):
    assert "Off policy, from logged answers: unknown (expected an S3 store at http" in body()


def test_the_tag_of_a_part_is_called_so_in_one_place():
    """What registers writes it; approval, champion ranking and the trainings read it."""
    named = [
        path.relative_to(ROOT).as_posix()
        for folder in ("components", "dags", "services", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"""["']parent_["'{]""", path.read_text())
    ]
    assert named == ["components/platform/registry/fetching.py"]
