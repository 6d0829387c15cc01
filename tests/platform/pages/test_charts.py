"""Charts are well-formed pictures in which every text is a text."""

from datetime import date, timedelta
from xml.etree import ElementTree

from components.platform.pages.charts import Series, bar_chart, line_chart

DAYS = [date(2017, 11, 17) + timedelta(days=number) for number in range(14)]


def test_charts_are_xml_and_their_names_are_text():
    nasty = '<script>"&</script>'
    series = [Series(nasty, DAYS, [0.1] * 14, [0.05] * 14, [0.2] * 14), Series("b", DAYS, [0] * 14)]
    for draw in (line_chart, bar_chart):
        tree = ElementTree.fromstring(str(draw(nasty, series, lambda value: f"{value:.1f}")))
        names = {element.tag for element in tree.iter()}
        assert "script" not in names
        assert tree.attrib["aria-label"] == nasty
        for element in tree.iter():
            for place in ("x", "y", "cx", "cy"):
                assert -1 <= float(element.attrib.get(place, 0)) <= 560
