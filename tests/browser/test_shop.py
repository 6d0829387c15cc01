"""The shop and the business's page, used as people use them."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.served import ADMIN_KEY, ServedShop

pytestmark = pytest.mark.xdist_group("browser")
PHONE = {"width": 375, "height": 667}


@pytest.fixture
def at_home(page: Page, shop: ServedShop) -> Page:
    """The home page; the test fails on any error in the page, and on any request elsewhere."""
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("request", lambda sent: wrong.append(sent.url) if shop.url not in sent.url else None)
    page.goto(shop.url)
    yield page
    assert not [text for text in wrong if "422" not in text]  # a refused form says so itself


def become_known(page: Page) -> None:
    page.get_by_label("Known shoppers").select_option(index=1)
    page.get_by_role("button", name="Switch").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Shopper")


def test_a_search_with_a_slip_and_a_filter_leads_to_an_item(at_home: Page):
    at_home.get_by_label("Search the shop").fill("gingr tea")
    at_home.get_by_role("button", name="Search", exact=True).click()
    expect(at_home.get_by_role("status")).to_contain_text("ginger")
    at_home.get_by_label("Category").select_option("SIMULATED > TEA")
    at_home.get_by_role("button", name="Apply").click()
    results = at_home.get_by_role("list", name="Results").get_by_role("listitem")
    expect(results.first).to_contain_text("tea")
    assert at_home.get_by_label("Search the shop").input_value() == "gingr tea"
    name = results.first.get_by_role("link").first.inner_text()
    results.first.get_by_role("link").first.click()
    expect(at_home.get_by_role("heading", level=1)).to_have_text(name)
    expect(at_home.get_by_role("heading", name="Similar")).to_be_visible()


def test_who_shops_stays_across_pages_and_changes_the_rows(at_home: Page):
    before = at_home.get_by_role("region", name="Popular now").inner_text()
    become_known(at_home)
    shopper = re.search(r"shopper=(\w+)", at_home.url)[1]
    assert at_home.get_by_role("region", name="For you").inner_text() != before
    at_home.get_by_role("region", name="For you").get_by_role("link").first.click()
    assert f"shopper={shopper}" in at_home.url
    at_home.get_by_role("button", name="Put in the basket").click()
    expect(at_home.get_by_role("region", name="Goes with this basket")).to_be_visible()
    at_home.get_by_label("Or any id").fill("a new customer")
    at_home.get_by_role("button", name="Be this shopper").click()
    expect(at_home.get_by_text("Nothing is known of this shopper yet")).to_be_visible()


def test_why_an_item_is_shown(at_home: Page):
    become_known(at_home)
    at_home.get_by_role("region", name="For you").get_by_role(
        "link", name="Why this?"
    ).first.click()
    expect(at_home.get_by_role("heading", level=1)).to_have_text("Why am I seeing this?")
    bars = at_home.locator(".shares svg")
    assert bars.count() >= 2
    expect(bars.first).to_have_attribute("aria-label", re.compile(r"percent$"))
    expect(at_home.get_by_role("heading", name="From the history")).to_be_visible()


def test_compare_without_a_challenger_says_so(at_home: Page):
    at_home.get_by_role("link", name="Compare models").click()
    expect(at_home.get_by_text("There is no challenger at present")).to_be_visible()
    expect(at_home.get_by_role("region", name="Champion")).to_be_visible()


def test_the_keyboard_alone_finds_an_item(at_home: Page):
    at_home.keyboard.press("Tab")
    expect(at_home.get_by_role("link", name="Skip to the content")).to_be_focused()
    expect(at_home.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    for _ in range(2):
        at_home.keyboard.press("Tab")
    expect(at_home.get_by_label("Search the shop")).to_be_focused()
    at_home.keyboard.type("lemon soap")
    at_home.keyboard.press("Enter")
    at_home.wait_for_url("**/search?**")
    at_home.keyboard.press("Tab")
    at_home.keyboard.press("Enter")  # skips the head
    for _ in range(40):
        at_home.keyboard.press("Tab")
        if at_home.evaluate("document.activeElement.className") == "title":
            break
    ring = at_home.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert ring != "none"  # the focus can be seen
    at_home.keyboard.press("Enter")
    at_home.wait_for_url("**/item/**")


@pytest.mark.parametrize("path", ["/", "/search?q=tea", "/compare", "/operations", "/search"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_never_scrolls_sideways(page: Page, shop: ServedShop, path: str, scheme: str):
    page.set_viewport_size(PHONE)
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{shop.url}{path}")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.goto(page.url)
    size = page.evaluate(
        "Math.min(...[...document.querySelectorAll('button, .button, input, select')]"
        ".filter(e => e.getClientRects().length && e.type != 'hidden' && e.type != 'file')"
        ".map(e => e.getBoundingClientRect().height))"
    )
    assert size >= 40  # pixels: a thumb hits it


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_what_is_behind_them(page: Page, shop: ServedShop, scheme: str):
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{shop.url}/search?q=tea")
    worst = page.evaluate(CONTRAST)
    assert worst["ratio"] >= 4.5, worst  # WCAG 2.2, AA


def test_operations_behind_the_admin_key(page: Page, shop: ServedShop):
    page.goto(f"{shop.url}/operations")
    page.get_by_label("Admin key").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("not the admin key")
    page.get_by_label("Admin key").fill(ADMIN_KEY)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="No feedback yet")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Admin key")).to_be_visible()


CONTRAST = """() => {
  const parse = text => text.match(/[0-9.]+/g).map(Number);
  const light = c => { const v = c.slice(0, 3).map(x => x / 255)
    .map(x => x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4);
    return .2126 * v[0] + .7152 * v[1] + .0722 * v[2]; };
  const behind = e => { for (; e; e = e.parentElement) {
    const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  let worst = {ratio: 99};
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType == 3 && n.textContent.trim());
    if (!own || !e.getClientRects().length || e.closest('.hidden, .skip, option, svg')) continue;
    const a = light(parse(getComputedStyle(e).color)), b = light(behind(e));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < worst.ratio) worst = {ratio, text: e.textContent.trim().slice(0, 40)};
  }
  return worst;
}"""
