"""Pages are whole, say what they are given and nothing else, and are the same for the same values."""

import re
from datetime import UTC, datetime, timedelta

import polars as pl

from recs_platform.pages import Line, Section, amount, bar_table, heat_table, line_chart, percent, render_page

AT = datetime(2024, 1, 31, tzinfo=UTC)
LINES = [
    Line("all", [(AT - timedelta(days=1), 0.1), (AT, 0.2)], strong=True),
    Line("<als>", [(AT, 0.05)]),
    Line("silent", []),
]


def test_every_value_is_escaped_and_the_page_has_no_script():
    table = pl.DataFrame(
        {"name": ["<script>alert(1)</script>"], "verdict": ["block"], "value": [0.123456], "is": [True]}
    )
    page = render_page("A & B", AT, [Section("<h>", "a < b", table, links=[("x & y", 'a".html')])])
    assert page.startswith("<!doctype html>")
    assert page.endswith("</html>\n")
    assert "<script" not in page
    for text in ("A &amp; B", "&lt;h&gt;", "a &lt; b", "x &amp; y", "a&#34;.html", "&lt;script&gt;"):
        assert text in page
    assert '<td class="block">block</td>' in page
    assert '<td class="number">0.1235</td>' in page
    assert "<td>yes</td>" in page


def test_a_table_without_rows_says_so_and_pictures_and_texts_are_inside():
    section = Section(
        "h", "t", pl.DataFrame({"a": []}), pictures={"map": b"png"}, texts=[("target", "75 %", "if a < 1")]
    )
    page = render_page("t", AT, [section])
    assert "No rows." in page
    assert 'alt="map" src="data:image/png;base64,cG5n"' in page
    assert "<pre>if a &lt; 1</pre>" in page


def test_a_chart_names_its_lines_and_is_the_same_text_each_time():
    chart = line_chart(LINES, title="Recall", form=percent)
    assert chart == line_chart(LINES, title="Recall", form=percent)
    assert "<figcaption>Recall</figcaption>" in chart
    assert "&lt;als&gt;" in chart
    assert "silent" not in chart
    assert "20.0 %" in chart
    assert "<script" not in chart
    assert line_chart([LINES[2]], title="Recall", form=percent) == ""


def test_heat_is_darkest_for_the_greatest_and_bars_are_shares():
    cells = {("a", "x"): 0.5, ("a", "y"): 1.0}
    heat = heat_table(["a"], ["x", "y", "z"], cells, corner="c", form=percent)
    assert re.findall(r"background:(rgb\(.*?\))", heat) == ["rgb(139,174,202)", "rgb(23,92,148)"]
    assert '<td class="none">·</td>' in heat
    bars = bar_table(["a"], [("x", percent), ("n", amount)], {("a", "x"): 0.25, ("a", "n"): 1234.0}, corner="c")
    assert "width:25.0%" in bars
    assert "width:100.0%" in bars
    assert "1,234" in bars
