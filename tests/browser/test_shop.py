"""The storefront and the operations page in a browser, used as visitors use them."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.looks import PHONE, assert_fits, assert_readable, complaints
from tests.served import ADMIN_KEY, ServedShop

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture
def at_home(page: Page, shop: ServedShop) -> Page:
    """The home page; the test fails on any error in the page, and on any request elsewhere."""
    wrong = complaints(page, shop.url)
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
    assert_fits(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_item_and_the_reasons_for_it_fit_a_phone(at_home: Page, scheme: str):
    at_home.set_viewport_size(PHONE)
    at_home.emulate_media(color_scheme=scheme)
    become_known(at_home)
    row = at_home.get_by_role("region", name="For you")
    row.get_by_role("link", name="Why this?").first.click()
    expect(at_home.locator(".shares").first).to_be_visible()
    assert_fits(at_home)
    assert_readable(at_home)
    at_home.get_by_role("link", name="All 12 items of this answer").click()
    expect(at_home.locator("main .panel")).to_have_count(12)
    assert_fits(at_home)
    at_home.locator("main .panel h2").get_by_role("link").first.click()
    expect(at_home.get_by_role("heading", name="Similar")).to_be_visible()
    assert_fits(at_home)
    assert_readable(at_home)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_what_is_behind_them(page: Page, shop: ServedShop, scheme: str):
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{shop.url}/search?q=tea")
    assert_readable(page)


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
