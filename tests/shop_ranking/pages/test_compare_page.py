"""Champion and challenger of a real registry side by side, in a browser."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Page, expect

from components.platform import tracking
from components.platform.registry.fetching import called
from tests.browser.looks import PHONE, assert_fits, assert_readable, complaints
from tests.ports import free_port
from tests.shop_ranking.serving.registered import Family
from tests.shop_ranking.serving.shop import app_of
from tests.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("registry")]
SHOPPER = "shopper-05"
MOVE = re.compile(r"new|same place|\d+ (up|down)")


@pytest.fixture
def compare(page: Page, mlflow: str, family: Family, tmp_path: Path) -> Iterator[Page]:
    """The page, of a server whose registry has a challenger; the test fails on any error in it."""
    with family.server(tmp_path / "spool") as server:
        tracking.move_alias("challenger", family.second)
        port = free_port()
        served = uvicorn.Server(uvicorn.Config(app_of(server), port=port, log_level="warning"))
        thread = threading.Thread(target=served.run)
        thread.start()
        try:
            wait_until(lambda: served.started, "the server has started")
            wrong = complaints(page, f"http://127.0.0.1:{port}")
            page.goto(f"http://127.0.0.1:{port}/compare?shopper={SHOPPER}")
            yield page
            assert wrong == []
        finally:
            served.should_exit = True
            page.goto("about:blank")  # lets go of its connection, for which the server would wait
            thread.join()


def sides(page: Page, family: Family) -> list[list[str]]:
    """Return the names of the items on each side, once both are there."""
    sides = []
    for name, version in (("Champion", family.first), ("Challenger", family.second)):
        side = page.get_by_role("region", name=name, exact=True)
        expect(side).to_contain_text(f"{called(version)}, data up to 2017-11-01")
        expect(side.get_by_role("listitem")).to_have_count(10)
        sides.append(side.get_by_role("link").all_inner_texts())
    return sides


def test_two_models_side_by_side_and_one_above_the_other_on_a_phone(compare: Page, family: Family):
    before, after = sides(compare, family)
    assert before != after
    shared = len(set(before) & set(after))
    expect(compare.get_by_text(f"{shared} of 10 items stand in both rows")).to_be_visible()
    champion, challenger = (
        compare.get_by_role("region", name=name, exact=True) for name in ("Champion", "Challenger")
    )
    moves = challenger.locator("li .small").all_inner_texts()
    assert len(moves) == 10
    assert all(MOVE.fullmatch(move) for move in moves)
    left, right = champion.bounding_box(), challenger.bounding_box()
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] <= right["x"]
    assert_readable(compare)
    compare.set_viewport_size(PHONE)
    above, below = champion.bounding_box(), challenger.bounding_box()
    assert above["y"] + above["height"] <= below["y"]
    assert_fits(compare)


def test_words_are_put_to_both_models(compare: Page, family: Family):
    compare.get_by_label("Search words").fill("thing")
    compare.get_by_role("button", name="Compare").click()
    compare.wait_for_url(re.compile("words=thing"))
    sides(compare, family)
    assert compare.get_by_label("Shopper", exact=True).input_value() == SHOPPER
