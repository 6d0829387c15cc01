"""The OpenAPI document: generated requests to every operation get the answers it promises."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from components.platform.settings import settings as app_settings
from tests.registries import new_registry
from tests.shop_ranking.serving.shop import ShopServer

OPERATIONS = [
    "POST /recommend",
    "POST /search",
    "GET /pictures/{item_id}",
    "GET /explain/{impression_id}",
    "POST /ads",
    "GET /admin/campaigns",
    "PUT /admin/campaigns",
    "POST /events",
    "GET /health",
    "GET /ready",
    "GET /metrics",
    "POST /admin/champion/refresh",
    "POST /admin/clock",
]
EXAMPLES = 25


def operations(client: TestClient) -> dict[str, object]:
    schema = schemathesis.openapi.from_asgi("/openapi.json", client.app)
    return {operation.ok().label: operation.ok() for operation in schema.get_all_operations()}


def test_no_operation_is_left_out(client: TestClient):
    assert sorted(operations(client)) == sorted(OPERATIONS)


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty one, which a refresh of the champion asks."""
    monkeypatch.setenv("SHOPFUSION_MLFLOW_URI", new_registry(tmp_path))
    app_settings.cache_clear()


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize("label", OPERATIONS)
def test_generated_requests_get_documented_answers(client: TestClient, label: str):
    operation = operations(client)[label]
    key = "events" if operation.path == "/events" else "admin"

    @given(case=operation.as_strategy())
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    def check(case):
        case.call_and_validate(
            headers={"Authorization": f"Bearer {key}"},
            excluded_checks=[positive_data_acceptance] if is_unsaid(case) else [],
        )

    check()


def is_unsaid(case) -> bool:
    """Tell whether a request breaks a rule for which JSON Schema has no words."""
    body = case.body if isinstance(case.body, dict) else {}
    if case.operation.label == "POST /search":
        return isinstance(body.get("image"), str)  # not every string is a picture
    if case.operation.label == "PUT /admin/campaigns":
        campaigns = [
            campaign for campaign in body.get("campaigns") or [] if isinstance(campaign, dict)
        ]
        return any(
            campaign.get("starts_at") and campaign.get("ends_at") for campaign in campaigns
        )  # in order
    return False


def test_a_clock_at_the_end_of_time_stops_nothing(client: TestClient, server: ShopServer):
    """Years that a date can hold, and no sum of dates."""
    admin = {"Authorization": "Bearer admin"}
    for given_, shown in (
        ("0001-01-01T00:00:00+14:00", server.clock.now()),
        ("9999-12-31T23:59:59-12:00", datetime(9000, 1, 1, tzinfo=UTC)),
    ):
        answer = client.post("/admin/clock", json={"now": given_}, headers=admin)
        assert answer.status_code == 200, answer.text
        assert server.clock.now() == shown
    assert client.post("/recommend", json={"k": 3}).status_code == 200
    event = {"event_id": "e", "action_name": "view", "user_id": "u",
             "timestamp": "9999-12-31T23:59:59-12:00",
             "event_attributes": {"object": {"object_id": "i"}}}  # fmt: skip
    taken = client.post(
        "/events", json={"events": [event]}, headers={"Authorization": "Bearer events"}
    ).json()
    assert taken["rejected"][0]["reason"].startswith("timestamp: it is ")
    assert client.post("/ads", json={}).status_code == 200
