"""Two applications in one server: no route is both's, and each answers without the other."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi import APIRouter
from fastapi.testclient import TestClient

from components.platform import tracking
from components.platform.application import Application, Model, Serving
from components.platform.gate.rules import Gate, Line
from components.platform.registry.policy import Aliases
from components.platform.serving.context import ServingContext
from components.server import __main__ as process
from components.shop_ranking.application import SHOP_RANKING
from components.shop_ranking.params import Params
from tests.shop_ranking.serving.registered import Family
from tests.shop_ranking.serving.shop import app_of
from tests.waiting import wait_until

ALIAS = "champion-of-the-second"
Routes = Callable[[ServingContext], Sequence[APIRouter]]


def get(path: str) -> Routes:
    """Return routes of one GET, which says what answers."""

    def routes(context: ServingContext) -> Sequence[APIRouter]:
        router = APIRouter()

        @router.get(path)
        def answer(item: str = "") -> dict[str, str]:
            return {"model": context.models.current().version}

        return [router]

    return routes


@pytest.mark.parametrize("path", ["/health", "/item/{name:path}", "/pages/shop.css"])
def test_two_owners_of_one_route_are_refused_in_one_line(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    second = Application(
        name="second",
        title="Second",
        stages={},
        models=(Model("greeter", lambda run: pytest.fail("packaged"), leads=True),),
        names={"greeter": "second-greeter"},
        gate=Gate(lines=(Line(measure="warmth", rule="primary", margin=0.1),)),
        serving=Serving(load=lambda packages, params, live: pytest.fail("loaded"),
                        routes=get(path)),
    )  # fmt: skip
    monkeypatch.setenv("SHOPFUSION_SPOOL", str(tmp_path))
    monkeypatch.setattr(process, "APPLICATIONS", (SHOP_RANKING, second))
    assert process.main() == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"serving: expected one owner of the route GET {path}; found two: ")
    owner = "the server" if path == "/health" else "shop_ranking"
    assert f"{owner} and second" in line


@pytest.mark.long
@pytest.mark.xdist_group("registry")
@pytest.mark.parametrize(
    ("version", "why"), [("broken", "items.parquet"), ("older", "train the fusion again")]
)
def test_one_goes_on_answering_when_the_other_does_not_load(
    family: Family, mlflow: str, tmp_path: Path, version: str, why: str
):
    second = replace(
        SHOP_RANKING,
        name="second",
        serving=replace(SHOP_RANKING.serving, routes=get("/second"), pages=lambda context: ()),
    )
    with family.server(tmp_path) as first:
        tracking.move_alias(ALIAS, getattr(family, version))
        policy = replace(first.champion.policy, aliases=Aliases(champion=ALIAS))
        other = first.process.add(second, Params(), policy)
        other.watch()
        try:
            wait_until(lambda: other.looked, "a look for the second's champion")
            with TestClient(app_of(first)) as client:
                answer = client.post("/recommend", json={"k": 2})
                assert answer.json()["model_version"] == first.champion.current().version
                ready = client.get("/ready")
                assert ready.status_code == 200
                states = ready.json()["applications"]
                assert states["shop_ranking"] == first.champion.current().version
                assert why in states["second"]
                assert "\n" not in states["second"]
                refused = client.get("/second")
                assert refused.status_code == 503
                assert why in refused.json()["detail"]

                tracking.move_alias(ALIAS, family.second)
                wait_until(lambda: other.answers, "the whole version of the second")
                assert client.get("/second").json()["model"] == other.current().version
        finally:
            other.close()
