"""HTML pages: sections with tables, shaded tables, bars and charts, rendered by Jinja2 and Matplotlib; no script."""

from recs_platform.pages.charts import Line, curve_chart, line_chart
from recs_platform.pages.page import Section, render_page, write_page
from recs_platform.pages.tables import Format, amount, bar_table, heat_table, percent

__all__ = [
    "Format",
    "Line",
    "Section",
    "amount",
    "bar_table",
    "curve_chart",
    "heat_table",
    "line_chart",
    "percent",
    "render_page",
    "write_page",
]
