"""Pages are whole, say what they are given and nothing else, and are the same for the same values."""

import re
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from recs_platform.pages import (
    Head,
    Histogram,
    Interval,
    Line,
    Section,
    amount,
    bar_table,
    decimals,
    heat_table,
    histograms,
    interval_table,
    line_chart,
    percent,
    render_page,
    stamped,
    verdict_grid,
)

AT = datetime(2024, 1, 31, tzinfo=UTC)
LINES = [
    Line("all", [(AT - timedelta(days=1), 0.1), (AT, 0.2)], strong=True),
    Line("<als>", [(AT, 0.05)]),
    Line("silent", []),
]


def test_a_long_text_has_room_where_the_screen_is_narrow():
    table = pl.DataFrame({"reason": ["because you viewed a film", "popular"]})
    page = render_page("A", AT, [Section("B", "c", table)])
    assert '<td class="long">because you viewed a film</td>' in page
    assert "<td>popular</td>" in page
    assert "td.long { min-width:" in page


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


def test_few_as_ofs_are_named_by_their_dates_and_not_by_hours():
    for instants in ([AT], [AT - timedelta(days=1), AT]):
        chart = line_chart([Line("all", [(at, 0.1) for at in instants])], title="Recall", form=percent)
        assert [text for text in re.findall(r"<text[^>]*>([^<]*)</text>", chart) if ":" in text] == []
        for at in instants:
            assert f"{at:%Y-%m-%d}" in chart


def test_names_of_reports_wrap_above_the_grid():
    grid = verdict_grid(["2024-01-31"], ["activity_drift"], {}, corner="as of", notes={})
    assert '<th scope="col">activity drift</th>' in grid


def test_heat_is_darkest_for_the_greatest_and_bars_are_shares():
    cells = {("a", "x"): 0.5, ("a", "y"): 1.0}
    heat = heat_table(["a"], ["x", "y", "z"], cells, corner="c", form=percent)
    assert re.findall(r'<td( class="strong")? style="--heat:(.*?)"', heat) == [("", "50%"), (' class="strong"', "100%")]
    assert '<td class="none">·</td>' in heat
    bars = bar_table(["a"], [("x", percent), ("n", amount)], {("a", "x"): 0.25, ("a", "n"): 1234.0}, corner="c")
    assert "width:25.0%" in bars
    assert "width:100.0%" in bars
    assert "1,234" in bars
    together = bar_table(
        ["a"], [("x", percent), ("y", percent)], {("a", "x"): 0.1, ("a", "y"): 0.2}, corner="c", together=True
    )
    assert re.findall(r"width:(.*?)%", together) == ["50.0", "100.0"]


def test_the_head_says_what_a_page_was_made_from_and_what_it_comes_to():
    verdicts = pl.DataFrame(
        {"subject": ["a < b"], "verdict": ["warn"], "message": ["Less."], "value": [0.5], "threshold": [0.7]}
    ).with_columns(sample_size=1200)
    head = Head({"release": "not sealed", "data": "x & y"}, verdicts, "../index.html")
    page = render_page("t", AT, [Section("By segment", ""), Section("By segment", "")], head)
    assert '<span class="badge warn">warn</span>' in page
    assert "<b>a &lt; b</b> Less." in page
    assert "value 0.5000, limit 0.7000, n = 1,200" in page
    assert '<a href="../index.html">' in page
    assert (
        re.findall(r'href="#(.*?)"', page) == re.findall(r'<section id="(.*?)"', page) == ["by-segment", "by-segment-2"]
    )
    sealed = stamped(page, {"release": "2024 <1>", "unheard of": "z"})
    assert sealed == page.replace("not sealed", "2024 &lt;1&gt;")
    assert stamped(sealed, {"release": "not sealed"}) == page


def test_a_page_fits_a_phone_and_follows_light_and_dark():
    chart = line_chart(LINES, title="Recall", form=percent)
    page = render_page(
        "t",
        AT,
        [Section("h", "t", pl.DataFrame({"a": [1]}), figure=chart + heat_table([], [], {}, corner="", form=percent))],
    )
    assert 'name="viewport"' in page
    assert "prefers-color-scheme: dark" in page
    assert page.count('<div class="scroll" tabindex="0">\n<table') == 2
    assert "var(--ink)" in chart
    assert "#ffffff" not in chart


def test_two_charts_of_a_page_share_no_id():
    charts = [line_chart(LINES, title=title, form=percent) for title in ("a", "b")] + [
        line_chart(LINES[:1], title="c", form=percent)
    ]
    ids = [set(re.findall(r' id="(.*?)"', chart)) for chart in charts]
    assert ids[0]
    assert not ids[0] & ids[2]


def test_intervals_are_on_one_scale_that_holds_zero():
    rows = [Interval("a", 1.0, 0.5, 2.0), Interval("b", 0.0), Interval("c", 0.0, strong=True)]
    table = interval_table(rows, corner="c", title="t", form=decimals, rule=0.0)
    places = [float(left) for left in re.findall(r'class="dot" style="left:(.*?)%', table)]
    assert places[0] - places[1] == pytest.approx(100 * 1.0 / (2.0 * 1.04), abs=0.1)
    assert places[1] == places[2]
    assert table.count('class="range"') == 1
    assert table.count('class="rule"') == 3
    assert '1.000 <span class="ends">[.500, 2.000]</span>' in table
    assert interval_table([], corner="c", title="t", form=decimals) == ""


def test_a_histogram_shows_both_sides_on_one_scale():
    chart = Histogram("x", "moved", [0.5, 0.5], [0.0, 1.0], ["0", "1", "2"])
    assert chart.bars == [("0.0", "119.0", 40.0), ("120.0", "119.0", 40.0)]
    assert chart.path == "M0 80V80.0H120.0V0.0H240.0V80"
    assert chart.labels == [("0", "start", "0"), ("240", "end", "2")]
    named = Histogram("x", "", [1.0], [1.0], ["a category with a long name"])
    assert named.labels == [("120.0", "middle", "a categor…")]
    many = Histogram("x", "", [0.2] * 5, [0.2] * 5, list("abcde"))
    assert [text for *_, text in many.labels] == list("abcde")
    assert "rotate(-50 24.0 88)" in histograms([many])
    assert not chart.is_slanted
    assert histograms([chart]).count("<rect") == 2
    assert histograms([]) == ""
