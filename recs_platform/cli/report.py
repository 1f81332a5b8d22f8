"""The command that opens a page of reports. Pages are written by builds, and served by `recs ui`."""
# typer leaves the callbacks of its options untyped.
# pyright: reportUnknownMemberType=false

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from recs_platform.cli.house import find_settings
from recs_platform.contracts.errors import NotReady, UsageError
from recs_platform.contracts.home import Home
from recs_platform.contracts.spelling import did_you_mean
from recs_platform.contracts.time import as_of_key, parse_instant

INDEX = "index"


def report(
    name: Annotated[str, typer.Argument(help="The report; without one, the page that links all.")] = INDEX,
    as_of: Annotated[str | None, typer.Option("--as-of", help="Its as-of; the newest that has it when absent.")] = None,
    print_path: Annotated[bool, typer.Option("--print-path", help="Print where the page is; open nothing.")] = False,
) -> None:
    """Open a report in the browser, or the page that links them all; prints its path where there is no browser.

    Example: recs report drift --as-of 2031-02-20
    """
    home = find_settings().paths
    page = _index(home, as_of) if name == INDEX else _page(home, name, as_of)
    if print_path or not _open(page):
        typer.echo(str(page))


def _page(home: Home, name: str, as_of: str | None) -> Path:
    from recs_platform.stages.reports import REPORTS

    names = [INDEX, *(each.name for each in REPORTS)]
    if name not in names:
        raise UsageError(f"no report {name!r}{did_you_mean(name, names) or '; there are: ' + ', '.join(names)}")
    from recs_platform.pipeline.report_index import reported_as_ofs

    found = [each for each in reported_as_ofs(home) if each.page(name).exists()]
    chosen = found if as_of is None else [each for each in found if each.as_of == parse_instant(as_of)]
    if not chosen:
        at = "" if as_of is None else f" as of {as_of_key(parse_instant(as_of))}"
        known = ", ".join(each.key for each in found) or "none"
        raise NotReady(f"there is no report {name}{at}; as-ofs that have it: {known}; `recs run` makes one")
    return chosen[0].page(name)


def _index(home: Home, as_of: str | None) -> Path:
    if as_of is not None:
        raise UsageError("the page that links all reports has no as-of; name a report: recs report drift --as-of …")
    page = home.reports / f"{INDEX}.html"
    if not page.exists():
        from recs_platform.pipeline.report_index import refresh_pages, reported_as_ofs

        if not reported_as_ofs(home):
            raise NotReady("there are no reports yet; `recs run` makes the first")
        refresh_pages(home)
    return page


def _open(page: Path) -> bool:
    """Whether a browser with a window of its own took the page: one in the terminal would fill it."""
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return False
    return type(browser) is not webbrowser.GenericBrowser and browser.open(page.as_uri())


def add_commands(app: typer.Typer) -> None:
    """Put this module's command on the app."""
    app.command()(report)
