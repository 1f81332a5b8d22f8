"""Served are pages of reports, and nothing else of the home, to nobody but this machine."""

import http.client
from pathlib import Path

import pytest

from recs_platform.cli.report_server import find_page, served_reports
from recs_platform.contracts.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    for name in ("index.html", "2031-02-20/drift.html", "2031-02-20/drift.verdicts.parquet", "users/abc.html"):
        (home.reports / name).parent.mkdir(parents=True, exist_ok=True)
        (home.reports / name).write_text(name)
    (home.root / "secret.html").write_text("secret")
    (home.reports / "out.html").symlink_to(home.root / "secret.html")
    (home.reports / ".hidden.html").write_text("hidden")
    return home


@pytest.mark.parametrize("target", ["/", "/index.html", "/index.html?x=1", "/2031-02-20/drift.html"])
def test_pages_are_found(home: Home, target: str):
    page = find_page(home.reports, target)
    assert page is not None
    assert page.read_text() == (target.split("?", maxsplit=1)[0].strip("/") or "index.html")


@pytest.mark.parametrize(
    "target",
    [
        "/../secret.html",
        "/%2e%2e/secret.html",
        "/..%2fsecret.html",
        "/2031-02-20/../../secret.html",
        "//secret.html/../../secret.html",
        "/..\\secret.html",
        "/out.html",
        "/.hidden.html",
        "/users/abc.html",
        "/2031-02-20/../users/abc.html",
        "/2031-02-20/drift.verdicts.parquet",
        "/2031-02-20",
        "/missing.html",
        "/index.html%00",
        "/etc/passwd",
    ],
)
def test_nothing_else_is(home: Home, target: str):
    assert find_page(home.reports, target) is None


def _ask(port: int, method: str, target: str, host: str | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, target, headers={} if host is None else {"Host": host})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_the_server_reads_only_speaks_to_this_machine_and_takes_another_port_where_its_own_is_taken(home: Home):
    with served_reports(home, 0) as first:
        assert home.reports_address.read_text() == first
        port = int(first.rpartition(":")[2])
        assert _ask(port, "GET", "/2031-02-20/drift.html") == (200, "2031-02-20/drift.html")
        assert _ask(port, "HEAD", "/") == (200, "")
        assert _ask(port, "GET", "/../secret.html")[0] == 404
        assert _ask(port, "GET", "/", host=f"elsewhere.example:{port}")[0] == 404
        assert _ask(port, "POST", "/")[0] == 501
        with served_reports(home, port) as second:
            assert second != first
            assert _ask(int(second.rpartition(":")[2]), "GET", "/")[0] == 200
    assert not home.reports_address.exists()
