"""Champion and challenger side by side, over HTTP, from a real registry with two versions."""

import gc
import re
import threading
import weakref

import pytest
from fastapi.testclient import TestClient

from components.platform import tracking
from components.platform.registry.fetching import called
from components.server import model_manager
from components.shop_ranking.serving.champion import Champion
from tests.shop_ranking.serving.shop import app_of, logged_by
from tests.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("registry")]
SHOPPER = "shopper-05"


@pytest.fixture
def server(mlflow, family, tmp_path, monkeypatch):
    monkeypatch.setattr(model_manager, "POLL_SECONDS", 0.05)
    with family.server(tmp_path / "spool") as made:
        yield made


@pytest.fixture
def client(server):
    with TestClient(app_of(server)) as made:
        yield made


def columns(page: str) -> dict[str, dict]:
    """Return what stands in each column of the page, by its name."""
    sides = {}
    for part in page.split('<section class="panel" aria-label="')[1:]:
        name, _, body = part.partition('"')
        body = body.partition("</section>")[0]
        sides[name] = {
            "version": re.findall(r'class="soft small">([^,]+), data up to 2017-11-01', body),
            "items": re.findall(r'href="/item/([^"?]+)', body),
            "moves": re.findall(r'<span class="small (\w*)">([^<]*)</span>', body),
        }
    return sides


def expected_moves(before: list[str], after: list[str]) -> list[tuple[str, str]]:
    moves = []
    for place, item in enumerate(after):
        up = before.index(item) - place if item in before else None
        if up is None:
            moves.append(("up", "new"))
        elif up == 0:
            moves.append(("soft", "same place"))
        else:
            moves.append(("up", f"{up} up") if up > 0 else ("down", f"{-up} down"))
    return moves


@pytest.mark.parametrize("words", ["", "thing"])
def test_both_models_answer_and_nothing_is_logged(client, server, family, words):
    tracking.move_alias("challenger", family.second)
    answer = client.get("/compare", params={"shopper": SHOPPER, "words": words})
    assert answer.status_code == 200
    sides = columns(answer.text)
    assert list(sides) == ["Champion", "Challenger"]
    champion, challenger = sides.values()
    assert champion["version"] == [called(family.first)]
    assert challenger["version"] == [called(family.second)]
    assert len(champion["items"]) == len(challenger["items"]) == 10
    if not words:  # words alone decide most of a search
        assert champion["items"] != challenger["items"]
    assert challenger["moves"] == expected_moves(champion["items"], challenger["items"])
    assert {text for _, text in champion["moves"]} == {""}
    shared = len(set(champion["items"]) & set(challenger["items"]))
    assert f"{shared} of 10 items stand in both rows" in answer.text
    assert logged_by(server) == []  # nothing was shown to a shopper
    assert 'role="alert"' not in answer.text


def test_one_version_under_both_aliases_is_no_challenger(client):
    page = client.get("/compare").text
    assert list(columns(page)) == ["Champion"]
    assert "There is no challenger at present" in page


@pytest.mark.parametrize("kind", ["broken", "without_tower", "without_files"])
def test_a_challenger_that_does_not_load_is_a_message_beside_the_champion(
    client, family, kind, monkeypatch
):
    broken = getattr(family, kind)
    tracking.move_alias("challenger", broken)
    fetched = []
    real = tracking.download
    monkeypatch.setattr(tracking, "download", lambda *a: fetched.append(a) or real(*a))
    for _ in range(2):
        answer = client.get("/compare")
        assert answer.status_code == 200
        assert list(columns(answer.text)) == ["Champion"]
        alert = answer.text.partition('role="alert">')[2].partition("</p>")[0]
        assert f"a challenger {called(broken)} that answers" in alert
        once = len(fetched)
    assert len(fetched) == once  # the second look downloads nothing


def test_a_challenger_that_fails_at_a_question_is_a_message(client, family, monkeypatch):
    tracking.move_alias("challenger", family.second)
    assert list(columns(client.get("/compare").text)) == ["Champion", "Challenger"]
    real = Champion.slate

    def fails(self, request, now):
        if self.version == called(family.second):
            raise ZeroDivisionError("no such number")
        return real(self, request, now)

    monkeypatch.setattr(Champion, "slate", fails)
    answer = client.get("/compare")
    assert answer.status_code == 200
    assert list(columns(answer.text)) == ["Champion"]
    assert "ZeroDivisionError: no such number" in answer.text


def test_loading_a_challenger_does_not_hold_up_a_swap(server, family, monkeypatch):
    loading, go_on = threading.Event(), threading.Event()
    real = Champion.load.__func__

    def slow(cls, packages, live, params):
        if threading.current_thread().name == "compare":
            loading.set()
            go_on.wait(60)
        return real(cls, packages, live, params)

    monkeypatch.setattr(Champion, "load", classmethod(slow))
    tracking.move_alias("challenger", family.second)
    asking = threading.Thread(target=server.champion.challenger, name="compare")
    asking.start()
    try:
        assert loading.wait(60)
        tracking.move_alias("champion", family.second)
        assert server.champion.refresh()  # while the other still loads
        assert server.champion.current().version == called(family.second)
    finally:
        go_on.set()
        asking.join()


def test_a_challenger_takes_over_as_it_is_and_is_let_go_of(server, family):
    tracking.move_alias("challenger", family.second)
    challenger = server.champion.challenger()
    tracking.move_alias("champion", family.second)
    assert server.champion.refresh()
    assert server.champion.current() is challenger  # it is not loaded a second time
    tracking.move_alias("champion", family.first)
    assert server.champion.refresh()
    assert server.champion.loaded(challenger.version) is None  # it stands in one place only


def test_a_challenger_that_the_alias_has_left_is_freed(server, family):
    tracking.move_alias("challenger", family.second)
    catalogue = weakref.ref(server.champion.challenger().catalogue)
    server.champion.watch()
    tracking.move_alias("challenger", family.first)
    wait_until(
        lambda: server.champion.loaded(called(family.second)) is None, "the challenger is let go of"
    )
    wait_until(lambda: gc.collect() is not None and catalogue() is None, "its memory is free")
