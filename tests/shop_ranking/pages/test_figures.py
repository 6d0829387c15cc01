"""The operations page's numbers and charts, from tables whose answer is known."""

from datetime import date, timedelta

import pandas as pd
import pytest

from components.shop_ranking.pages.figures import Feedback, report

LAST = date(2017, 11, 30)
DAYS = [LAST - timedelta(days=back) for back in range(13, -1, -1)]


def feedback() -> Feedback:
    """Two weeks: 100 impressions a day, 10 clicks in the first week and 20 in the second."""
    metrics = pd.DataFrame(
        {
            "day": DAYS,
            "surface": "home",
            "model_version": ["m/9"] * 7 + ["m/10"] * 7,
            "impressions": 100,
            "clicks": [10] * 7 + [20] * 7,
            "purchases": 5,
            "revenue": 2.5,
        }
    )
    sales = pd.DataFrame(
        [(day, "up", 1.0 + place) for place, day in enumerate(DAYS)]
        + [(day, "down", 20.0 - place) for place, day in enumerate(DAYS)],
        columns=["day", "category", "revenue"],
    )
    spend = pd.DataFrame({"day": DAYS, "amount": 3.0})
    return Feedback(metrics, sales, spend)


def test_tiles_compare_two_weeks():
    made = report(feedback())
    assert made is not None
    tiles = {tile.name: tile for tile in made.tiles}
    assert tiles["Impressions"].value == "700"
    assert tiles["Impressions"].change == 0
    assert tiles["CTR"].value == "20.0%"
    assert tiles["CTR"].change == pytest.approx(1.0)
    assert tiles["CVR"].value == "25.0%"
    assert tiles["Advertising budget spent"].value == "21"


def test_categories_that_fall_are_named():
    made = report(feedback())
    assert made is not None
    top, falling = made.categories
    assert [line["category"] for line in falling["lines"]] == ["down"]
    assert falling["lines"][0]["change"] == pytest.approx(-49)
    assert {line["category"] for line in top["lines"]} == {"up", "down"}


def test_versions_are_ordered_by_number_and_each_has_its_colour():
    made = report(feedback())
    assert made is not None
    legend = str(made.charts[0].legend)
    assert legend.index("m/9") < legend.index("m/10")
    assert [line["model"] for line in made.table] == ["m/10", "m/9"]


def test_no_feedback_no_report():
    assert report(Feedback(pd.DataFrame(), pd.DataFrame(), pd.DataFrame())) is None


def test_one_day_can_be_drawn():
    whole = feedback()
    made = report(Feedback(whole.metrics.tail(1), whole.sales.tail(1), whole.spend.head(0)))
    assert made is not None
    assert made.tiles[0].change is None
    assert len(made.charts) == 4  # nothing was spent: no chart of it


@pytest.mark.parametrize(
    ("nothing", "left_out"),
    [
        (["clicks", "purchases"], {"Conversion rate"}),
        (["impressions", "clicks"], {"Click-through rate", "Conversion rate"}),
    ],
)
def test_a_chart_without_a_day_is_left_out(nothing, left_out):
    """Impressions come first: until somebody clicks there is no conversion rate to draw."""
    whole = feedback()
    before = report(whole)
    made = report(Feedback(whole.metrics.assign(**dict.fromkeys(nothing, 0)), whole.sales,
                           whole.spend))  # fmt: skip
    assert made is not None
    assert before is not None
    assert {chart.name for chart in before.charts} - {chart.name for chart in made.charts} == (
        left_out
    )
    assert len(made.tiles) == len(before.tiles)
