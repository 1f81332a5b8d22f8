"""HTML pages: sections with tables, shaded tables, bars and charts, rendered by Jinja2 and Matplotlib; no script."""

from recs_platform.pages.charts import Line, curve_chart, line_chart
from recs_platform.pages.grid import Badge, verdict_grid
from recs_platform.pages.page import Head, Section, render_page, stamped, write_page
from recs_platform.pages.small import Histogram, Interval, histograms, interval_table
from recs_platform.pages.tables import Format, amount, bar_table, decimals, heat_table, percent

__all__ = [
    "Badge",
    "Format",
    "Head",
    "Histogram",
    "Interval",
    "Line",
    "Section",
    "amount",
    "bar_table",
    "curve_chart",
    "decimals",
    "heat_table",
    "histograms",
    "interval_table",
    "line_chart",
    "percent",
    "render_page",
    "stamped",
    "verdict_grid",
    "write_page",
]
