"""Sponsored slots and campaigns over HTTP, against the real application."""

from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

from components.click_model import PRIOR
from components.serving.server import Server

ADMIN = {"Authorization": "Bearer admin"}


@pytest.fixture
def offered(client: TestClient, server: Server):
    """Two campaigns on the most popular items, taking part for sure; none afterwards."""
    answer = client.post("/recommend", json={"k": 2, "diversity": 0}).json()
    first, second = (item["item_id"] for item in answer["items"])
    sent = {
        "campaigns": [
            {"campaign_id": "rich", "item_ids": [first], "bid": 0.8, "daily_budget": 40.0},
            {"campaign_id": "poor", "item_ids": [second], "bid": 0.2, "daily_budget": 10.0},
        ]
    }
    states = client.put("/admin/campaigns", json=sent, headers=ADMIN)
    assert states.status_code == 200, states.text
    for name in ("rich", "poor"):  # pacing begins a day with a coin that is mostly tails
        pacer = server.ads._pacer(name)
        pacer.probability(server.ads._campaigns[name], server.clock.now())
        pacer.participation = 1.0
    yield sent["campaigns"]
    client.put("/admin/campaigns", json={"campaigns": []}, headers=ADMIN)


@pytest.mark.parametrize("method", ["get", "put"])
@pytest.mark.parametrize(
    "key", [{}, {"Authorization": "Bearer events"}, {"Authorization": "admin"}]
)
def test_campaigns_need_the_admin_key(client: TestClient, method: str, key: dict[str, str]):
    refused = client.request(method, "/admin/campaigns", json={"campaigns": []}, headers=key)
    assert refused.status_code == 401
    assert refused.json()["detail"] == "send the admin key: Authorization: Bearer <key>"
    assert refused.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"bid": 0}, "campaigns.0.bid"),
        ({"daily_budget": "much"}, "campaigns.0.daily_budget"),
        ({"item_ids": []}, "campaigns.0.item_ids"),
        ({"budget": 3}, "campaigns.0.budget"),
        ({"starts_at": "2017-11-05T00:00:00"}, "campaigns.0.starts_at"),  # of which zone?
        (
            {"starts_at": "2017-11-05T00:00:00Z", "ends_at": "2017-11-04T00:00:00Z"},
            "ends_at must be after starts_at",
        ),
    ],
)
def test_a_bad_campaign_is_one_line_and_those_so_far_stay(
    client: TestClient, offered: list[dict], changed: dict[str, object], named: str
):
    bad = {"campaign_id": "c", "item_ids": ["i"], "bid": 1, "daily_budget": 5} | changed
    refused = client.put("/admin/campaigns", json={"campaigns": [bad]}, headers=ADMIN)
    assert refused.status_code == 422
    line = refused.json()["detail"]
    assert line.startswith("expected a valid campaigns.0")
    assert named in line
    assert "; found " in line
    assert "\n" not in line
    kept = client.get("/admin/campaigns", headers=ADMIN).json()["campaigns"]
    assert {one["campaign_id"] for one in kept} == {"rich", "poor"}


def test_what_was_put_is_what_is_shown(client: TestClient, offered: list[dict]):
    shown = client.get("/admin/campaigns", headers=ADMIN).json()
    assert shown["campaigns"] == [
        {
            "campaign_id": one["campaign_id"],
            "items": 1,
            "bid": one["bid"],
            "daily_budget": one["daily_budget"],
            "spent": 0.0,
            "running": True,
            "simulated": False,
        }
        for one in offered
    ]
    assert shown["click_probability"] == "a prior by position, not measured"


def test_a_campaign_that_has_ended_is_not_running(
    client: TestClient, server: Server, offered: list[dict]
):
    over = (server.clock.now() - timedelta(hours=1)).isoformat()
    sent = {"campaigns": [offered[0] | {"ends_at": over}]}
    (one,) = client.put("/admin/campaigns", json=sent, headers=ADMIN).json()["campaigns"]
    assert not one["running"]
    assert client.post("/ads", json={"slots": 2}).json()["items"] == []


def test_slots_are_marked_and_nothing_beside_them_is_shown_twice(
    client: TestClient, offered: list[dict]
):
    answer = client.post("/ads", json={"slots": 4}).json()
    assert [item["campaign_id"] for item in answer["items"]] == ["rich", "poor"]
    assert [item["item_id"] for item in answer["items"]] == [o["item_ids"][0] for o in offered]
    assert [item["position"] for item in answer["items"]] == [1, 2]
    assert all(item["sponsored"] for item in answer["items"])
    assert answer["surface"] == "home"
    beside = {"slots": 4, "shown": offered[0]["item_ids"]}
    answer = client.post("/ads", json=beside).json()
    assert [item["campaign_id"] for item in answer["items"]] == ["poor"]
    plain = client.post("/recommend", json={"k": 5}).json()["items"]
    assert not any(item["sponsored"] or item["campaign_id"] for item in plain)


def test_a_click_costs_the_second_price_once(
    client: TestClient, server: Server, offered: list[dict]
):
    """Both pCTR are the prior's at position 1: the winner pays the loser's bid, not its own."""
    assert server.ads.click_model("fused-ranker/1") is PRIOR
    answer = client.post("/ads", json={"slots": 1}).json()
    (won,) = answer["items"]
    assert won["campaign_id"] == "rich"
    click = {
        "event_id": "click-1",
        "action_name": "click",
        "query_id": answer["impression_id"],
        "user_id": "somebody",
        "timestamp": server.clock.now().isoformat(),
        "event_attributes": {"object": {"object_id": won["item_id"]}, "position": {"ordinal": 1}},
    }
    key = {"Authorization": "Bearer events"}
    for event_id in ("click-1", "click-1", "click-2"):  # again, and once more on the same offer
        taken = client.post(
            "/events", json={"events": [click | {"event_id": event_id}]}, headers=key
        )
        assert taken.status_code == 200, taken.text
        assert taken.json()["rejected"] == []
    states = client.get("/admin/campaigns", headers=ADMIN).json()["campaigns"]
    spent = {one["campaign_id"]: one["spent"] for one in states}
    assert spent == {"rich": pytest.approx(0.2), "poor": 0.0}


@pytest.mark.parametrize("body", [{"slots": 0}, {"slots": 11}, {"surface": "checkout"}])
def test_a_request_that_cannot_be_meant_is_one_line(client: TestClient, body: dict[str, object]):
    refused = client.post("/ads", json=body)
    assert refused.status_code == 422
    assert refused.json()["detail"].startswith(f"expected a valid {next(iter(body))}: ")
