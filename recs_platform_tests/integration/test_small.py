"""The least there can be still ends in a release: one event, or nothing but impressions."""

import json
from pathlib import Path

import polars as pl
import pytest

from recs_platform_tests.homes import CommandLine

pytestmark = pytest.mark.usefixtures("no_drawings")
HEAD = "user_id,item_id,event_type,occurred_at\n"
ONE_CLICK = HEAD + "u1,i1,click,2024-01-01T10:00:00Z\n"
IMPRESSIONS = HEAD + "u1,i1,impression,2024-01-01T10:00:00Z\nu2,i2,impression,2024-01-01T11:00:00Z\n"


@pytest.mark.parametrize(
    ("events", "lists"),
    [
        (ONE_CLICK, {"u2": {"i1", "i2"}, "u1": {"i2"}}),
        pytest.param(IMPRESSIONS, {"u1": {"i1", "i2"}, "u2": {"i1", "i2"}}, marks=pytest.mark.trial),
    ],
)
def test_everybody_gets_what_is_eligible_and_the_rest_is_said(
    recs: CommandLine, tmp_path: Path, events: str, lists: dict[str, set[str]]
) -> None:
    export, home = tmp_path / "export", tmp_path / "home"
    export.mkdir()
    (export / "events.csv").write_text(events)
    (export / "users.csv").write_text("user_id\nu1\nu2\n")
    (export / "items.csv").write_text("item_id,title\ni1,One\ni2,Two\n")
    for command in (("land", "contract", str(export)), ("run",)):
        code, out, err = recs(home, *command)
        assert code == 0, err
    said = out.splitlines()
    assert "quality: not measured: no user had held-out events" in said[1]
    assert [line.partition(":")[0] for line in said[1:4]] == ["quality", "verdicts", "warnings"]
    released = home / "artifacts" / "releases"
    folder = next(path for path in released.iterdir() if path.is_dir())
    made = pl.read_parquet(folder / "recommendations.parquet")
    assert {user: set(made.filter(pl.col("user_id") == user)["item_id"]) for user in lists} == lists
    short = pl.read_parquet(folder / "short_lists.parquet")
    assert set(short["user_id"]) == {"u1", "u2"}


@pytest.mark.trial
def test_where_everybody_consumed_everything_the_release_is_of_empty_lists_with_reasons(
    recs: CommandLine, tmp_path: Path
) -> None:
    home, users, items = tmp_path / "home", [f"u{n}" for n in range(3)], [f"i{n}" for n in range(4)]
    rows = [
        f"{user},{item},{('view', 'click')[day % 2]},2024-01-{day:02}T{8 + number:02}:{10 * place:02}:00Z\n"
        for day in range(1, 21)
        for number, user in enumerate(users)
        for place, item in enumerate(items)
        if place < 2 or day % 3 == 0
    ]
    for name, text in (
        ("events", HEAD + "".join(rows)),
        ("users", "user_id\n" + "\n".join(users) + "\n"),
        ("items", "item_id,title\n" + "".join(f"{item},Title of {item}\n" for item in items)),
    ):
        (tmp_path / f"{name}.csv").write_text(text)
        assert recs(home, "land", "contract", str(tmp_path / f"{name}.csv"))[0] == 0
    code, out, err = recs(home, "run")
    assert code == 0, err
    assert "lists for 0 users\n3 users have an empty list; recommendations.short_lists has the reasons\n" in out
    code, out, _ = recs(home, "sql", "from recommendations.short_lists order by user_id", "--format", "json")
    short = json.loads(out)["rows"]
    assert [(row["user_id"], row["list_length"], row["eligible_count"]) for row in short] == [
        (user, 0, 0) for user in users
    ]
    assert {row["reason"] for row in short} == {
        "only 0 of 10 items: 4 are available and the user has consumed 4 of them"
    }
    code, out, _ = recs(home, "recommend", "u0")
    assert (code, out.splitlines()[1:]) == (0, [short[0]["reason"]])
    assert json.loads(recs(home, "recommend", "u0", "--json")[1])["items"] == []
    code, out, _ = recs(home, "explain", "u0", "i1")
    assert code == 0
    assert "not recommended: the user's" in out


def test_what_was_taken_in_can_be_published_before_any_release(recs: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text(ONE_CLICK)
    for command in (("land", "contract", str(tmp_path / "events.csv")), ("ingest",), ("publish",)):
        code, _, err = recs(tmp_path / "home", *command)
        assert code == 0, err
    code, out, _ = recs(
        tmp_path / "home", "sql", "select count(*) as n from recommendations.current", "--format", "csv"
    )
    assert (code, out.split()) == (0, ["n", "0"])
