"""`reports/index.html`: the page that an operator opens in the morning, and what stands at the top of older pages.

It is made from the files that reports leave beside their pages, see `reports`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.home import RELEASE_PAGE, Home
from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.time import as_of_key, parse_instant
from recs_platform.lake.artifacts import sealed_versions
from recs_platform.lake.disk import replace_text
from recs_platform.pages import Badge, Head, Line, Section, decimals, line_chart, render_page, stamped, verdict_grid
from recs_platform.pipeline.report_inputs import STAMPED, UNKNOWN_YET
from recs_platform.pipeline.reports import NUMBERS_FILE, VERDICTS_FILE
from recs_platform.stages import releases
from recs_platform.stages.reports import REPORTS
from recs_platform.stages.reports.verdicts import gravest_first, of_reports, worst

INDEX = "index.html"
ROWS_MAX = 60
_RELEASES = "releases.json"
_NONE = "none"
IN_FORCE = "release in force"
# Pages of other commands, in folders of their own; pages on single users are left out.
_OTHERS = ("backtests", "tradeoff", "segments")
_LINES = {"ndcg_final": "final", "ndcg_popularity": "popularity", "ndcg_best_source": "best source"}
_OFFLINE = "offline_metrics"


@dataclass(frozen=True)
class Reported:
    """What the reports of one as-of left in its folder."""

    as_of: datetime
    folder: Path

    @property
    def key(self) -> str:
        return self.folder.name

    @cached_property
    def verdicts(self) -> pl.DataFrame:
        """Rows of reports.verdicts."""
        files = [self.folder / f"{report.name}{VERDICTS_FILE}" for report in REPORTS]
        return pl.concat([pl.read_parquet(file.read_bytes()) for file in files if file.exists()])

    def numbers(self, report: str) -> dict[str, float]:
        """The report's numbers; none where it was made before numbers were kept."""
        file = self.folder / f"{report}{NUMBERS_FILE}"
        return json.loads(file.read_text()) if file.exists() else {}

    def page(self, report: str) -> Path:
        return self.folder / f"{report}.html"


def reported_as_ofs(home: Home) -> list[Reported]:
    """As-ofs that have verdicts of reports, the newest first."""
    folders = {file.parent for file in home.reports.glob(f"*/*{VERDICTS_FILE}")}
    found = [Reported(at, folder) for folder in folders if (at := _instant(folder.name)) is not None]
    return sorted(found, key=lambda each: each.as_of, reverse=True)


def refresh_pages(home: Home) -> Path:
    """Write the index, and the release at the top of each as-of's pages, after releases were made or withdrawn."""
    sealed = {
        as_of_key(each.as_of): _facts(each) for each in sealed_versions(home.artifacts, releases.RELEASES_ARTIFACT)
    }
    current = _in_force(home) if sealed else {IN_FORCE: _NONE}
    replace_text(home.reports / _RELEASES, json.dumps({IN_FORCE: current, c.AS_OF: sealed}, indent=1))
    for each in reported_as_ofs(home):
        _stamp(each, sealed.get(each.key, dict.fromkeys(STAMPED, UNKNOWN_YET)))
    return write_index(home)


def write_index(home: Home) -> Path:
    """Write the index alone, with the releases as they were when `refresh_pages` last looked; returns its path."""
    found = reported_as_ofs(home)[:ROWS_MAX]
    file = home.reports / _RELEASES
    nothing: dict[str, Any] = {IN_FORCE: {IN_FORCE: _NONE}, c.AS_OF: {}}
    seen: dict[str, Any] = json.loads(file.read_text()) if file.exists() else nothing
    notes = {each.key: _note(each, seen[c.AS_OF].get(each.key, {})) for each in found}
    verdicts = _open_questions(found[0]) if found else None
    replace_text(
        home.reports / INDEX,
        render_page("Reports", None, _sections(home, found, notes), Head(seen[IN_FORCE], verdicts)),
    )
    return home.reports / INDEX


def _facts(release: Manifest) -> dict[str, str]:
    """What pages name of a release, by the names of `STAMPED`."""
    return dict(
        zip(STAMPED, (release.version, str(release.parameters[c.RANKER_VERSION]), release.data_version), strict=True)
    )


def _in_force(home: Home) -> dict[str, str]:
    current, pinned = releases.current_release(home), releases.pinned_release(home)
    facts = _facts(current) | {"as of": as_of_key(current.as_of)}
    return {IN_FORCE: facts.pop("release") + (" (pinned)" if pinned == current.version else ""), **facts}


def _open_questions(newest: Reported) -> pl.DataFrame:
    """Judgements of the newest as-of that did not pass, the gravest first."""
    rows = of_reports(gravest_first(newest.verdicts.filter(pl.col(c.VERDICT) != "pass")))
    return rows.with_columns(pl.concat_str(pl.lit(f"{newest.key} "), c.SUBJECT).alias(c.SUBJECT))


def _sections(home: Home, found: Sequence[Reported], notes: Mapping[str, tuple[str, str]]) -> list[Section]:
    if not found:
        return [Section("Verdicts", "No as-of has reports yet; `recs run` makes the first.")]
    names = [report.name for report in REPORTS]
    cells = {(each.key, name): badge for each in found for name in names if (badge := _badge(each, name)) is not None}
    grid = verdict_grid([each.key for each in found], names, cells, corner="as of", notes=notes)
    parts = [
        Section(
            "Verdicts over time",
            "The newest first, with their releases; a badge opens its report. Only block stops a release.",
            figure=grid,
        ),
        _quality(found),
        _others(home),
    ]
    return [part for part in parts if part.figure or part.links]


def _note(each: Reported, facts: Mapping[str, str]) -> tuple[str, str]:
    """The release of an as-of, and the address of its page."""
    page = each.folder / RELEASE_PAGE
    return facts.get("release", UNKNOWN_YET), f"{each.key}/{page.name}" if page.exists() else ""


def _badge(each: Reported, report: str) -> Badge | None:
    rows = each.verdicts.filter(pl.col(c.REPORT) == report)
    if rows.is_empty():
        return None
    verdict = worst(rows[c.VERDICT].to_list())
    said = rows.filter(pl.col(c.VERDICT) == verdict)
    text = "\n".join(f"{subject}: {message}" for subject, message in said.select(c.SUBJECT, c.MESSAGE).iter_rows())
    return Badge(verdict, text, f"{each.key}/{report}.html" if each.page(report).exists() else "")


def _quality(found: Sequence[Reported]) -> Section:
    points = [(each.as_of, each.numbers(_OFFLINE)) for each in reversed(found)]
    lines = [
        Line(title, [(at, numbers[name]) for at, numbers in points if name in numbers], strong=title == "final")
        for name, title in _LINES.items()
    ]
    text = "NDCG of the final lists, of popularity and of the best source, as each as-of measured it on its past."
    return Section("Quality over time", text, figure=line_chart(lines, title="NDCG", form=decimals))


def _others(home: Home) -> Section:
    pages = [page for folder in _OTHERS for page in sorted((home.reports / folder).glob("*.html"), reverse=True)]
    links = [(f"{page.parent.name}: {page.stem}", f"{page.parent.name}/{page.name}") for page in pages]
    return Section("Other pages", "Backtests, trade-offs and segments.", links=links)


def _stamp(each: Reported, facts: Mapping[str, str]) -> None:
    """Name the release at the top of the as-of's pages; a page that names it already is left alone."""
    for report in REPORTS:
        page = each.page(report.name)
        if page.exists():
            text = page.read_text(encoding="utf-8")
            renewed = stamped(text, facts)
            if renewed != text:
                replace_text(page, renewed)


def _instant(key: str) -> datetime | None:
    try:
        return parse_instant(key)
    except UsageError:
        return None
