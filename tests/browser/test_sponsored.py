"""Sponsored places in the shop: marked wherever they stand, and nowhere where nobody pays."""

import pytest
from playwright.sync_api import Locator, Page, expect

from components.platform.files import read_table
from tests.browser.looks import PHONE, assert_fits, assert_readable
from tests.browser.trading import SLOTS, admin
from tests.served import ServedShop
from tests.world import TinyWorld

pytestmark = pytest.mark.xdist_group("browser")
PAGES = ["/", "/search?q=tea+soap", "/item/{item}"]
ON_TOP = """e => { const b = e.getBoundingClientRect();
  return document.elementFromPoint(b.x + b.width / 2, b.y + b.height / 2) === e; }"""


@pytest.fixture(scope="module")
def item(tiny_world: TinyWorld) -> str:
    return read_table(tiny_world.prepared / "items.parquet")["item_id"][0].as_py()


def slots(page: Page) -> Locator:
    return page.get_by_role("region", name="Sponsored").get_by_role("listitem")


def assert_marked(page: Page) -> None:
    """Each sponsored card has its mark in sight, and no other card has one."""
    expect(page.get_by_role("heading", name="Sponsored")).to_be_visible()
    expect(slots(page)).to_have_count(SLOTS)
    for card in slots(page).all():
        mark = card.get_by_text("Sponsored", exact=True)
        mark.scroll_into_view_if_needed()
        expect(mark).to_be_in_viewport(ratio=1)
        assert mark.evaluate(ON_TOP)
    assert page.locator(".tag").count() == SLOTS
    assert page.locator(".card").count() > SLOTS


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_what_is_paid_for_is_marked(
    page: Page, trading: ServedShop, item: str, path: str, scheme: str
):
    page.emulate_media(color_scheme=scheme)
    page.goto(trading.url + path.format(item=item))
    assert_marked(page)
    assert_readable(page)
    page.set_viewport_size(PHONE)
    assert_marked(page)
    assert_fits(page)


@pytest.mark.parametrize("path", PAGES)
def test_without_campaigns_nothing_is_marked(page: Page, shop: ServedShop, item: str, path: str):
    page.goto(shop.url + path.format(item=item))
    expect(page.locator(".card").first).to_be_visible()
    expect(page.get_by_text("Sponsored")).to_have_count(0)
    expect(page.locator(".tag")).to_have_count(0)


def test_a_sponsored_item_says_so_when_asked_why_and_its_click_is_charged(
    page: Page, trading: ServedShop
):
    def spent() -> float:
        with admin(trading) as person:
            states = person.get("/admin/campaigns").json()["campaigns"]
        return sum(state["spent"] for state in states)

    page.goto(trading.url)
    title = slots(page).first.get_by_role("link").first
    name = title.inner_text()
    slots(page).first.get_by_role("link", name="Why this?").click()
    panel = page.get_by_role("region", name=name, exact=True)
    expect(panel.get_by_text("Sponsored", exact=True)).to_be_visible()
    expect(panel).to_contain_text("It is sponsored: a seller pays for this place")
    before = spent()
    page.goto(trading.url)
    name = title.inner_text()  # a row with random places in it leaves others to sell
    title.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    assert spent() == pytest.approx(before + 0.5)  # all bid as much: the second price is the first
