"""Sponsored slots and campaigns over HTTP, against the real application."""

import math
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

from components.platform.feedback.click_model import prior
from components.shop_ranking.ads.relevance import Scored, question, relevant
from components.shop_ranking.params import AdsParams
from components.shop_ranking.serving.api import AdsRequest, RecommendRequest, SearchRequest
from tests.shop_ranking.serving.shop import ShopServer

DEPTH = AdsParams().depth

ADMIN = {"Authorization": "Bearer admin"}


@pytest.fixture
def offered(client: TestClient, server: ShopServer):
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
    campaigns = {campaign.campaign_id: campaign for campaign in server.ads.campaigns()}
    for name in ("rich", "poor"):  # pacing begins a day with a coin that is mostly tails
        pacer = server.ads.pacer(name)
        pacer.probability(campaigns[name], server.clock.now())
        pacer.participation = 1.0
    yield sent["campaigns"]
    client.put("/admin/campaigns", json={"campaigns": []}, headers=ADMIN)


def advertise(
    client: TestClient, server: ShopServer, item_ids: list[str], prefix: str = "", **more: object
) -> None:
    """Let one campaign an item run, each taking part for sure."""
    made = [
        {"campaign_id": prefix + item, "item_ids": [item], "bid": 0.5, "daily_budget": 40.0} | more
        for item in item_ids
    ]
    answer = client.put("/admin/campaigns", json={"campaigns": made}, headers=ADMIN)
    assert answer.status_code == 200, answer.text
    for campaign in server.ads.campaigns():
        pacer = server.ads.pacer(campaign.campaign_id)
        pacer.probability(campaign, server.clock.now())
        pacer.participation = 1.0


def sponsored(client: TestClient, **body: object) -> list[str]:
    answer = client.post("/ads", json={"slots": 10} | body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["surface"] == body.get("surface", "home")
    return [item["item_id"] for item in answer.json()["items"]]


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
    assert {campaign["campaign_id"] for campaign in kept} == {"rich", "poor"}


def test_what_was_put_is_what_is_shown(client: TestClient, offered: list[dict]):
    shown = client.get("/admin/campaigns", headers=ADMIN).json()
    assert shown["campaigns"] == [
        {
            "campaign_id": campaign["campaign_id"],
            "items": 1,
            "bid": campaign["bid"],
            "daily_budget": campaign["daily_budget"],
            "spent": 0.0,
            "running": True,
            "simulated": False,
        }
        for campaign in offered
    ]
    assert shown["click_probability"] == "a prior by position, not measured"


def test_a_campaign_that_has_ended_is_not_running(
    client: TestClient, server: ShopServer, offered: list[dict]
):
    over = (server.clock.now() - timedelta(hours=1)).isoformat()
    sent = {"campaigns": [offered[0] | {"ends_at": over}]}
    (stored,) = client.put("/admin/campaigns", json=sent, headers=ADMIN).json()["campaigns"]
    assert not stored["running"]
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
    client: TestClient, server: ShopServer, offered: list[dict]
):
    """Both pCTR are the prior's at position 1: the winner pays the loser's bid, not its own."""
    assert server.ads.click_models.of("fused-ranker/1") == prior(0.02)
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
    spent = {state["campaign_id"]: state["spent"] for state in states}
    assert spent == {"rich": pytest.approx(0.2), "poor": 0.0}


@pytest.mark.parametrize("body", [{"slots": 0}, {"slots": 11}, {"surface": "checkout"}])
def test_a_request_that_cannot_be_meant_is_one_line(client: TestClient, body: dict[str, object]):
    refused = client.post("/ads", json=body)
    assert refused.status_code == 422
    assert refused.json()["detail"].startswith(f"expected a valid {next(iter(body))}: ")


def test_what_the_shop_would_not_show_for_nothing_is_not_shown_for_money(
    client: TestClient, server: ShopServer
):
    champion = server.champion.current()
    ids = champion.catalogue.item_id
    slate = champion.slate(question(AdsRequest(), DEPTH), server.clock.now())
    assert len(slate.items) > slate.slots == DEPTH
    last, below = (ids[int(slate.items[place])] for place in (DEPTH - 1, DEPTH))
    advertise(client, server, [last, below])
    assert sponsored(client) == [last]
    searched = client.post("/search", json={"query": "ginger", "page_size": 100}).json()["items"]
    matching = [item["item_id"] for item in searched]
    foreign = next(item for item in ids if item not in matching)
    advertise(client, server, [matching[0], foreign])
    assert sponsored(client, surface="search", query="ginger") == [matching[0]]
    kind = next(item["category"] for item in searched)
    other = next(
        ids[row] for row in slate.items[:DEPTH].tolist() if champion.catalogue.category[row] != kind
    )
    advertise(client, server, [matching[0], other])
    assert sponsored(client, filters={"category": kind}) == [matching[0]]


def test_each_surface_has_a_floor_of_its_own(client: TestClient, server: ShopServer):
    """The item that is looked at, or in the basket already, is not sold beside itself."""
    champion = server.champion.current()
    item, other = (champion.catalogue.item_id[int(row)] for row in champion.engine.popular[:2])
    advertise(client, server, [item, other])
    for surface in ("home", "similar", "basket"):  # without an item they know they are home's
        assert sorted(sponsored(client, surface=surface)) == sorted([item, other])
    assert sponsored(client, surface="similar", item_id=item) == [other]
    assert sponsored(client, surface="basket", basket=[item]) == [other]
    assert sponsored(client, surface="basket", basket=[item, other]) == []
    assert sponsored(client, surface="buy_again") == []  # a stranger never bought


def test_a_campaign_begins_when_it_says(client: TestClient, server: ShopServer):
    item = server.champion.current().catalogue.item_id[
        int(server.champion.current().engine.popular[0])
    ]
    begins = server.clock.now() + timedelta(hours=1)
    advertise(client, server, [item], starts_at=begins.isoformat())
    (state,) = client.get("/admin/campaigns", headers=ADMIN).json()["campaigns"]
    assert not state["running"]
    assert sponsored(client) == []
    server.clock.set(begins)
    advertise(client, server, [item], starts_at=begins.isoformat())
    (state,) = client.get("/admin/campaigns", headers=ADMIN).json()["campaigns"]
    assert state["running"]
    assert sponsored(client) == [item]


def test_an_ad_is_asked_for_as_its_surface_would_be():
    who = {"user_id": "u", "session_id": "s", "history": ("h",), "filters": {"brand": ("b",)}}
    asked = AdsRequest(**who, surface="search", query="tea", slots=3)
    assert question(asked, DEPTH) == SearchRequest(**who, query="tea", page_size=DEPTH)
    for surface in ("home", "similar", "basket", "buy_again"):
        asked = AdsRequest(**who, surface=surface, item_id="i", basket=("x", "y"), slots=3)
        assert question(asked, DEPTH) == RecommendRequest(
            **who, surface=surface, item_id="i", basket=("x", "y"), k=DEPTH, diversity=0.0
        )


def test_relevant_is_what_a_slate_shows_with_both_its_scores(server: ShopServer):
    champion = server.champion.current()
    user = next(iter(champion.shoppers.row))
    ids = champion.catalogue.item_id
    row = champion.slate(RecommendRequest(user_id=user, k=3), server.clock.now())
    bids = relevant(champion, row)
    assert list(bids) == [ids[item] for item in row.items[:3].tolist()]
    assert all(bid.score == bid.fused for bid in bids.values())
    page = champion.slate(SearchRequest(query="tea", page_size=4), server.clock.now())
    strangers = relevant(champion, page)
    assert len(strangers) == 4
    assert all(math.isnan(bid.fused) for bid in strangers.values())
    page = champion.slate(SearchRequest(user_id=user, query="tea"), server.clock.now())
    expected = [
        Scored(*pair) for pair in zip(page.scores.tolist(), page.fused_scores.tolist(), strict=True)
    ]
    assert list(relevant(champion, page).values()) == expected
    assert all(0 < bid.score < 0.1 and math.isfinite(bid.fused) for bid in expected)
