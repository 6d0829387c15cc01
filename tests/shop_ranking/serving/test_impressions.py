"""Impressions that the log does not take are counted and said, and stop nobody."""

import re

import pytest
from fastapi.testclient import TestClient

from tests.shop_ranking.serving.shop import app_of, logged_by, make_server

BODY = {"k": 5}


@pytest.fixture
def server(packages, tmp_path):
    made = make_server(packages, tmp_path / "spool")
    yield made
    made.log.close()


def counted(client: TestClient, outcome: str) -> float:
    name = f'shopfusion_impressions_total{{outcome="{outcome}"}}'
    lines = client.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


def test_a_full_spool_is_counted_by_item_and_said_once(server, capsys):
    with TestClient(app_of(server)) as client:
        logged, dropped = counted(client, "logged"), counted(client, "dropped")
        assert client.post("/recommend", json=BODY).is_success
        assert counted(client, "logged") == logged + 5
        room, server.log.max_bytes = server.log.max_bytes, 0
        for _ in range(3):
            answer = client.post("/recommend", json=BODY)
            assert answer.is_success
            assert len(answer.json()["items"]) == 5
        assert counted(client, "dropped") == dropped + 15
        server.log.max_bytes = room
        assert client.post("/search", json={"query": "tea"}).is_success
    said = capsys.readouterr().out.splitlines()
    assert sum("impressions are not logged from now on" in line for line in said) == 1
    assert sum("impressions are logged again" in line for line in said) == 1
    kinds = {record["surface"] for record in logged_by(server)}
    assert kinds == {"home", "search"}


def test_the_page_of_the_api_needs_nothing_from_elsewhere(server):
    """A page whose scripts come from a content delivery network is blank without one."""
    with TestClient(app_of(server)) as client:
        page = client.get("/docs")
        assert page.is_success
        assets = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert any(path.endswith("swagger-ui-bundle.js") for path in assets)
        for path in assets:
            assert path.startswith("/"), path
            assert client.get(path).is_success, path
        assert "https://" not in page.text
        assert client.get("/redoc").status_code == 404
