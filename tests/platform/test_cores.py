"""Cores are counted in one way, the one that a container's limits change."""

import os
from pathlib import Path

import pytest

from components.platform.cores import usable_cores

ROOT = Path(__file__).parents[2]
COUNTED_IN = ROOT / "components" / "platform" / "cores.py"


def test_cores_that_were_not_granted_do_not_count(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 5, 9}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert usable_cores() == 3


@pytest.mark.parametrize(("counted", "usable"), [(8, 8), (None, 1)])
def test_where_nothing_grants_cores_all_count(counted, usable, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)  # macOS
    monkeypatch.setattr(os, "cpu_count", lambda: counted)
    assert usable_cores() == usable


def test_nothing_else_counts_cores():
    others = [
        path.relative_to(ROOT).as_posix()
        for folder in ("components", "dags", "services")
        for path in (ROOT / folder).rglob("*.py")
        if path != COUNTED_IN
        and ("cpu_count" in (text := path.read_text()) or "sched_getaffinity" in text)
    ]
    assert others == []
