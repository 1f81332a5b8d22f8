"""Commands that read results: recommend, explain, sql, publish, export. Those of releases are in `releases`."""
# typer leaves the callbacks of its options untyped.
# pyright: reportUnknownMemberType=false

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

import typer

from recs_platform.cli.format import human, titled
from recs_platform.cli.house import find_platform
from recs_platform.cli.options import AsJson
from recs_platform.cli.releases import say_replaced
from recs_platform.cli.show import put_frame, put_json, put_rows, put_table, say
from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.time import as_of_key, parse_instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recs_platform.pipeline.platform import Platform


class UserList(TypedDict):
    """The public answer of `recs recommend`."""

    user_id: str
    as_of: str
    release_id: str
    expires_at: str | None
    items: list[dict[str, Any]]


User = Annotated[str, typer.Argument(help="The user's id; write -- before one that begins with -.")]
Form = Annotated[Literal["table", "csv", "json"], typer.Option("--format", help="table, csv or json.")]
IN_JSON = [c.RANK, c.ITEM_ID, c.SCORE, c.REASON, c.SOURCES]
ROWS_SHOWN = [c.RANK, c.TITLE, c.ITEM_ID, c.SCORE, c.REASON, c.SOURCES]


def recommend(
    user: User,
    k: Annotated[int | None, typer.Option("-k", min=1, help="Number of items; all when absent.")] = None,
    surface: Annotated[str | None, typer.Option("--surface", help="A surface of the settings.")] = None,
    as_json: AsJson = False,
) -> None:
    """A user's list in the current release; USER may also be a pseudonym or an anonymous id.

    Examples: recs recommend u00042 -k 5 --json
    and: recs recommend u00042 --surface email
    """
    platform = find_platform()
    found = _user_list(platform, user, k, surface)
    if as_json:
        put_json(found)
        return
    typer.echo(f"{user}: {len(found['items'])} items of release {found['release_id']}, as of {found['as_of']}")
    _put_items(platform, found, [*ROWS_SHOWN])


def _put_items(platform: "Platform", found: "UserList", columns: "Sequence[str]") -> None:
    """A list with titles, and why it is short where it is."""
    from recs_platform.pipeline.questions.show import item_titles, why_short

    titles = item_titles(platform, [item[c.ITEM_ID] for item in found["items"]])
    rows = [
        [titles.get(item[c.ITEM_ID]) if name == c.TITLE else _as_read(item[name]) for name in columns]
        for item in found["items"]
    ]
    if rows:
        put_table(columns, rows)
    reason = why_short(platform, found["user_id"])
    if reason is not None:
        typer.echo(reason)


def _as_read(value: object) -> object:
    return value if isinstance(value, int) else human(value)


def _user_list(platform: "Platform", user: str, k: int | None, surface: str | None = None) -> "UserList":
    """The public answer: user_id, as_of, release_id, expires_at, items."""
    from recs_platform.pipeline.questions.find_user import find_user
    from recs_platform.stages.releases import current_release, read_served, read_served_expiry, read_served_surfaces

    current = current_release(platform.home)
    stored = find_user(platform, current, user)
    if surface is None:
        rows = read_served(platform.home, current.version, user=stored)
    else:
        _require_surface(platform, current.version, surface)
        rows = read_served_surfaces(platform.home, current.version, surface=surface, user=stored)
    expires_at = read_served_expiry(platform.home, current.version, stored)
    return {
        "user_id": user,
        "as_of": as_of_key(current.as_of),
        "release_id": current.version,
        "expires_at": None if expires_at is None else expires_at.isoformat(),
        "items": rows.select(IN_JSON).head(k or rows.height).to_dicts(),
    }


def _require_surface(platform: "Platform", release_id: str, surface: str) -> None:
    """Refuse a surface that the release has no lists of."""
    from recs_platform.stages.releases import read_served_surfaces

    known = read_served_surfaces(platform.home, release_id)[c.SURFACE].unique().sort().to_list()
    if surface not in known:
        there = ", ".join(known) or "none; add [surfaces.<name>] to recs.toml and build"
        raise UsageError(f"release {release_id} has no surface {surface!r}; there are: {there}")


def show_three_users(platform: "Platform") -> None:
    """Five rows each for the most active user, a typical one, and a brand-new one."""
    from recs_platform.pipeline.questions.show import three_users

    for who, user in three_users(platform):
        found = _user_list(platform, user, 5)
        typer.echo(f"\n{user} ({who})")
        _put_items(platform, found, ROWS_SHOWN[:-1])


def explain(
    user: User,
    item: Annotated[
        str | None, typer.Argument(help="The item's id; without it, all that is known of the user.")
    ] = None,
    surface: Annotated[
        str | None, typer.Option("--surface", help="The list of a surface, of which an item is asked.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Why an item is in a user's list, or why it is not; without ITEM a page on the user: what is known, and why.

    Examples: recs explain u00042 i00007
    and: recs explain u00042 i00007 --surface email
    and: recs explain u00042
    """
    if surface is not None and item is None:
        raise UsageError("--surface needs an item: the page on a user shows the lists of all surfaces")
    platform = find_platform()
    from recs_platform.pipeline.questions.find_user import find_user
    from recs_platform.stages.releases import current_release

    current = current_release(platform.home)
    stored = find_user(platform, current, user)
    if surface is not None:
        _require_surface(platform, current.version, surface)
    if item is None:
        _explain_user(platform, stored, as_json=as_json)
        return
    from recs_platform.pipeline.questions.explain import explain_pair

    _put_pair(platform, explain_pair(platform, stored, item, surface) | {c.USER_ID: user}, as_json=as_json)


def _explain_user(platform: "Platform", stored: str, *, as_json: bool) -> None:
    """The page, or the same as JSON."""
    from recs_platform.pipeline.questions.person import read_person

    person = read_person(platform, stored)
    if as_json:
        put_json(person.values())
        return
    from recs_platform.pipeline.questions.person_page import write_person_page

    typer.echo(f"{person.events.height} events; {person.list_rows.height} items recommended")
    # Names of segments hold commas.
    for segmentation, name in person.segments.select(c.SEGMENTATION, c.SEGMENT_NAME).iter_rows():
        typer.echo(f"segment ({segmentation}): {name}")
    if person.segments.is_empty():
        typer.echo("no segment")
    typer.echo(str(write_person_page(platform.home, person)))


def _put_pair(platform: "Platform", found: dict[str, Any], *, as_json: bool) -> None:
    """What `explain_pair` found, with the item's title."""
    if as_json:
        put_json(found)
        return
    from recs_platform.pipeline.questions.show import item_titles

    contributions, steps = found.pop("contributions", None), found.pop("steps", None)
    item = str(found[c.ITEM_ID])
    found[c.ITEM_ID] = titled(item, item_titles(platform, [item]).get(item))
    for name, value in found.items():
        typer.echo(f"{name}: {human(value)}")
    if steps:
        typer.echo("rules that moved it, in their order:")
        put_table([*steps[0]], [[human(value) for value in row.values()] for row in steps])
    if contributions:
        typer.echo("largest contributions to the ranker's own score, which another chosen order may leave out:")
        put_table([*contributions[0]], [[human(value) for value in row.values()] for row in contributions])


def sql(
    query: Annotated[str | None, typer.Argument(help="Read-only SQL on the published file.")] = None,
    form: Form = "table",
    model: Annotated[
        str | None, typer.Option(help="A SQL model to compute instead, such as features.user_features.")
    ] = None,
    as_of: Annotated[str | None, typer.Option("--as-of", help="The model's as-of.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Also after now, or long after the last event.")] = False,
) -> None:
    """Query analytics.duckdb, or compute one SQL model as of a date without storing it.

    Examples: recs sql "from recommendations.current limit 5"
    and: recs sql --model features.user_features --as-of 2017-02-20
    """
    if (query is None) == (model is None):
        raise UsageError("give a query, or --model NAME --as-of DATE")
    if model is not None and as_of is None:
        raise UsageError("--model needs --as-of DATE")
    platform = find_platform()
    if model is not None and as_of is not None:
        from recs_platform.pipeline.questions.show import compute_model

        put_frame(compute_model(platform, model, parse_instant(as_of), datetime.now(UTC), forced=force), form)
        return
    from recs_platform.pipeline.published_keys import published_options
    from recs_platform.warehouse.query import answer

    found = answer(platform.home.analytics, str(query), published_options(platform), say=say)
    put_rows(found.columns, found.rows, form)


def publish() -> None:
    """Rebuild analytics.duckdb from the lake; repairs it after the home was moved.

    Example: recs publish
    """
    platform = find_platform()
    from recs_platform.pipeline.publishing import publish

    report = publish(platform, on_wait=say)
    for sentence in report.set_aside:
        say(sentence)
    say_replaced(platform, say)
    typer.echo(f"{platform.home.analytics}: {len(report.table_rows)} tables, {report.size_bytes / 1e6:.1f} MB")


def export(file: Annotated[Path, typer.Argument(help="The DuckDB file to write.")]) -> None:
    """Write one self-contained copy of the published file.

    Example: recs export shared.duckdb
    """
    platform = find_platform()
    from recs_platform.pipeline.published_keys import published_options
    from recs_platform.warehouse.publish import export

    rows = export(platform.home.analytics, file, published_options(platform), say=say)
    say(f"{len(rows)} tables")
    typer.echo(str(file))


def add_commands(app: typer.Typer) -> None:
    """Put this module's commands on the app."""
    for command in (recommend, explain, sql, publish, export):
        app.command()(command)
