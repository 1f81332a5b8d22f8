"""The index links every report of every as-of, newest first; pages name the release that came of them."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from recs_platform.contracts.home import Home
from recs_platform.contracts.manifests import Manifest
from recs_platform.lake.artifacts import remove_artifact, write_artifact, write_manifest
from recs_platform.pages import Head, write_page
from recs_platform.pipeline.report_index import refresh_pages, reported_as_ofs, write_index
from recs_platform.pipeline.report_inputs import STAMPED, UNKNOWN_YET
from recs_platform.stages.releases import RELEASES_ARTIFACT
from recs_platform.stages.reports.verdicts import Judgement, verdict_rows
from recs_platform_tests.homes import CommandLine

FIRST = datetime(2031, 2, 20, tzinfo=UTC)
SECOND = FIRST + timedelta(days=1)


def report(home: Home, at: datetime, name: str, verdict: str, **numbers: float) -> None:
    folder = home.reports / f"{at:%Y-%m-%d}"
    head = Head(dict.fromkeys(STAMPED, UNKNOWN_YET))
    write_page(folder / f"{name}.html", name, at, [], head)
    rows = verdict_rows(name, [Judgement("s < t", verdict, "Said.")], as_of=at)  # pyright: ignore[reportArgumentType]
    rows.write_parquet(folder / f"{name}.verdicts.parquet")
    (folder / f"{name}.numbers.json").write_text(json.dumps(numbers))


def release(home: Home, at: datetime, version: str) -> None:
    with write_artifact(home.artifacts, RELEASES_ARTIFACT, version) as folder:
        manifest = Manifest(
            name=RELEASES_ARTIFACT,
            version=version,
            as_of=at,
            known_at=at,
            data_version="data-1",
            seed=1,
            parameters={"ranker_version": "ranker-1", "content_hash": "h"},
            metrics={"n_users": 1, "n_rows": 1},
            sealed_at=at,
        )
        write_manifest(folder, manifest)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.artifacts.mkdir(parents=True)
    home.settings_file.write_text("")
    for at, verdict in ((FIRST, "pass"), (SECOND, "block")):
        report(home, at, "drift", verdict)
        report(home, at, "offline_metrics", "pass", ndcg_final=0.2, ndcg_popularity=0.1)
    (home.reports / "users").mkdir()
    (home.reports / "users" / "abc.html").write_text("a person")
    (home.reports / "segments").mkdir()
    (home.reports / "segments" / "2031-02-20.html").write_text("")
    release(home, FIRST, "r-first")
    return home


def test_all_reports_are_linked_newest_first_with_what_did_not_pass_at_the_top(home: Home):
    page = refresh_pages(home).read_text()
    assert re.findall(r'<tr id="(.*?)"', page) == ["2031-02-21", "2031-02-20"]
    for link in ("2031-02-21/drift.html", "2031-02-20/offline_metrics.html", "segments/2031-02-20.html"):
        assert f'href="{link}"' in page
    assert "users/" not in page
    assert "<b>2031-02-21 drift: s &lt; t</b> Said." in page
    assert 'data-fact="release in force">r-first<' in page
    assert page.count("r-first") == 2
    assert "<figcaption>NDCG</figcaption>" in page
    assert "<script" not in page


def test_pages_name_the_release_that_came_of_them_until_it_is_withdrawn(home: Home):
    page = home.reports / "2031-02-20" / "drift.html"
    refresh_pages(home)
    assert 'data-fact="release">r-first<' in page.read_text()
    assert 'data-fact="ranker">ranker-1<' in page.read_text()
    blocked = (home.reports / "2031-02-21" / "drift.html").read_text()
    assert blocked.count(UNKNOWN_YET) == len(STAMPED)
    release(home, SECOND, "r-second")
    # What a step inside a build writes goes by the releases that were seen last.
    assert "r-second" not in write_index(home).read_text()
    assert 'data-fact="release in force">r-second<' in refresh_pages(home).read_text()
    for version in ("r-first", "r-second"):
        remove_artifact(home.artifacts, RELEASES_ARTIFACT, version)
    assert 'data-fact="release in force">none<' in refresh_pages(home).read_text()
    assert page.read_text().count(UNKNOWN_YET) == len(STAMPED)


def test_a_home_without_reports_says_what_makes_them(tmp_path: Path):
    home = Home(tmp_path / "empty")
    home.reports.mkdir(parents=True)
    assert reported_as_ofs(home) == []
    assert "`recs run` makes the first" in refresh_pages(home).read_text()


def test_the_command_finds_the_newest_page_or_says_what_there_is(
    recs: CommandLine, home: Home, monkeypatch: pytest.MonkeyPatch
):
    opened: list[str] = []
    monkeypatch.setattr("recs_platform.cli.report._open", lambda page: opened.append(page.parent.name) or True)
    assert recs(home.root, "report", "drift")[:2] == (0, "")
    assert opened == ["2031-02-21"]
    earlier = home.reports / "2031-02-20" / "drift.html"
    code, out, err = recs(home.root, "report", "drift", "--as-of", "2031-02-20", "--print-path")
    assert (code, out, err) == (0, f"{earlier}\n", "")
    code, out, err = recs(home.root, "report", "--print-path")
    assert (code, out) == (0, f"{home.reports / 'index.html'}\n")
    for arguments, code, says in (
        (("drift", "--as-of", "2031-02-22"), 1, "as-ofs that have it: 2031-02-21, 2031-02-20"),
        (("bias",), 1, "there is no report bias"),
        (("drfit",), 2, "did you mean 'drift'?"),
        (("--as-of", "2031-02-20"), 2, "has no as-of"),
    ):
        found, out, err = recs(home.root, "report", *arguments)
        assert (found, out) == (code, "")
        assert says in err
        assert err.count("\n") == 1
