"""The business's page with two weeks of feedback, as whoever runs the shop sees it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.looks import PHONE, assert_fits, assert_readable, complaints
from tests.browser.trading import AWAY, CONCLUSION
from tests.served import ADMIN_KEY, ServedShop

pytestmark = pytest.mark.xdist_group("browser")
FOCUSED = """() => { const e = document.activeElement; return [
  e.getAttribute('aria-label') || e.textContent.trim(), getComputedStyle(e).outlineStyle]; }"""


@pytest.fixture
def operations(page: Page, trading: ServedShop) -> Iterator[Page]:
    """The page behind its sign-in; the test fails on any error in it, and any request elsewhere."""
    wrong = complaints(page, trading.url)
    page.goto(f"{trading.url}/operations")
    page.get_by_label("Admin key").fill(ADMIN_KEY)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    yield page
    assert wrong == []


def panel(page: Page, heading: str) -> Locator:
    return page.locator(".panel").filter(has=page.get_by_role("heading", name=heading, exact=True))


def table(page: Page, heading: str) -> list[list[str]]:
    """Return the cells of each row below the head."""
    rows = panel(page, heading).get_by_role("row").all()[1:]
    return [row.get_by_role("cell").all_inner_texts() for row in rows]


def test_tiles_show_the_last_week_against_the_one_before(operations: Page):
    """A day of it: 10 shown, 3 clicked, 1 bought for 6, 1 click on an ad for .50."""
    tiles = operations.get_by_role("region", name="Last 7 days").locator(".panel")
    before = "against the 7 days before"
    assert [" ".join(text.split()) for text in tiles.all_inner_texts()] == [
        f"Impressions 70 +0.0% {before}",
        f"CTR 30.0% +50.0% {before}",
        f"CVR 33.3% -33.3% {before}",
        f"Revenue of shown items 42 +50.0% {before}",
        f"Advertising budget spent 3.50 +100.0% {before}",
    ]
    expect(operations.get_by_text("19 February 2024 to 3 March 2024")).to_be_visible()


def test_charts_show_every_day_in_the_colour_of_its_model(operations: Page):
    figures = operations.get_by_role("region", name="Over time").get_by_role("figure")
    names = figures.get_by_role("heading").all_inner_texts()
    assert names == [
        *("Click-through rate", "Conversion rate", "Revenue", "Model versions"),
        "Advertising budget spent",
    ]
    for name, marks in zip(names, ["circle"] * 2 + ["rect"] * 3, strict=True):
        chart = figures.filter(has_text=name).get_by_role("img", name=name)
        box = chart.bounding_box()
        assert box["width"] > 200
        assert box["height"] > 80
        days = chart.locator(marks)
        assert days.count() == 14
        colours = set(days.evaluate_all("all => all.map(e => getComputedStyle(e).fill)"))
        models = 1 if "budget" in name else 2
        assert len(colours) == models
        drawn = figures.filter(has_text=name).locator(".legend li").all_inner_texts()
        assert drawn == (["fused-ranker/1", "fused-ranker/2"] if models == 2 else [])
    last = figures.first.locator("circle title").last
    assert last.text_content() == "fused-ranker/2, 2024-03-03: 30.0%"


def test_categories_that_sell_and_that_fall(operations: Page):
    tea, soap = ["simulated › tea", "42", "+14"], ["simulated › soap", "7", "-14"]
    assert table(operations, "Top categories") == [tea, soap]
    assert table(operations, "Falling categories") == [soap]


def test_each_surface_by_its_model_and_what_a_challenger_would_have_earned(operations: Page):
    rows = table(operations, "By surface and model")
    assert [row[:5] + row[6:] for row in rows] == [
        ["ads", "fused-ranker/1", "19 Feb – 25 Feb", "14", "50.0%", "0.0%", "0"],
        ["ads", "fused-ranker/2", "26 Feb – 03 Mar", "14", "50.0%", "0.0%", "0"],
        ["home", "fused-ranker/1", "19 Feb – 25 Feb", "56", "12.5%", "100.0%", "28"],
        ["home", "fused-ranker/2", "26 Feb – 03 Mar", "56", "25.0%", "50.0%", "42"],
    ]
    challengers = table(operations, "What challengers would have earned")
    assert challengers == [["fused-ranker/3", CONCLUSION]]


def test_the_keyboard_reaches_the_links_to_the_other_pages(operations: Page):
    expect(operations.get_by_text("Airflow does not say")).to_be_visible()  # it is away
    led = {
        "Airflow": f"{AWAY}/airflow",
        "Required Actions": f"{AWAY}/airflow/required_actions",
        "MLflow": f"{AWAY}/mlflow/#/models",
        "Evidently": f"{AWAY}/evidently",
    }
    for name, address in led.items():
        link = operations.get_by_role("link", name=name, exact=True)
        expect(link).to_have_attribute("href", address)
    reached = {}
    for _ in range(15):
        operations.keyboard.press("Tab")
        name, ring = operations.evaluate(FOCUSED)
        reached[name] = ring
    wanted = ["Sign out", *led, "Table by surface and model"]
    assert [name for name in reached if name in wanted] == wanted
    assert {reached[name] for name in wanted} == {"solid"}  # the focus can be seen


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_of_it_fits_a_phone_and_can_be_read(operations: Page, scheme: str):
    operations.emulate_media(color_scheme=scheme)
    for width in (PHONE["width"], 390):
        operations.set_viewport_size({"width": width, "height": 844})
        assert_fits(operations)
        for chart in operations.get_by_role("figure").all():
            assert chart.bounding_box()["width"] <= width
    assert_readable(operations)
