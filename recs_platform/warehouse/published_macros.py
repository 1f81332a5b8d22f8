"""Macros of the analysts' file: questions that are asked often, each a function that is called with its subject."""
# ruff: noqa: S608  names come from contracts

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import LIST_CHANGES, RELEASED_LISTS, RELEASES, RELEASES_IN_FORCE
from recs_platform.contracts.time import DAY_MICROSECONDS
from recs_platform.warehouse.clauses import text_literal

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Macro:
    """A table macro: `select * from name(parameters)`. It is there where every table that it `reads` is."""

    name: str
    parameters: str
    sql: str
    description: str
    reads: tuple[str, ...]


# Microseconds of a date, a text or an instant; what names no zone is in UTC, whatever the session's is.
_INSTANT = (
    "case typeof({0}) when 'TIMESTAMP WITH TIME ZONE' then epoch_us(cast({0} as timestamptz)) "
    "else epoch_us(cast({0} as timestamp)) end"
)

MACROS = (
    Macro(
        "recommendations.list_on",
        "who, day",
        f"select {c.RELEASE_ID}, {c.AS_OF}, {c.RANK}, {c.ITEM_ID}, {c.SCORE}, {c.REASON} from {RELEASED_LISTS.name} "
        f"where {c.USER_ID} = who and {c.RELEASE_ID} = coalesce("
        f"(select {c.RELEASE_ID} from {RELEASES_IN_FORCE.name} where epoch_us({c.SINCE}) // {DAY_MICROSECONDS} "
        f"<= {_INSTANT.format('day')} // {DAY_MICROSECONDS} order by {c.SINCE} desc limit 1), "
        f"(select {c.RELEASE_ID} from {RELEASES.name} where epoch_us({c.AS_OF}) <= {_INSTANT.format('day')} "
        f"order by {c.AS_OF} desc, {c.SEALED_AT} desc limit 1)) order by {c.RANK}",
        "A user's list on a day: of what was in force as it ended; of days before that was kept, of the last as of it",
        (RELEASED_LISTS.name, RELEASES.name, RELEASES_IN_FORCE.name),
    ),
    Macro(
        "recommendations.changes_of",
        "who",
        f"select {c.RELEASE_ID}, {c.ITEM_ID}, {c.CHANGE}, {c.RANK_BEFORE}, {c.RANK} from {LIST_CHANGES.name} "
        f"where {c.USER_ID} = who order by {c.RELEASE_ID} desc, coalesce({c.RANK}, {c.RANK_BEFORE}), {c.ITEM_ID}",
        "What entered, left or moved in a user's list, by release, the newest first",
        (LIST_CHANGES.name,),
    ),
    Macro(
        "recommendations.lists_with",
        "which",
        f"select {c.RELEASE_ID}, {c.AS_OF}, count(*) as list_count, avg({c.RANK}) as mean_rank "
        f"from {RELEASED_LISTS.name} where {c.ITEM_ID} = which group by {c.RELEASE_ID}, {c.AS_OF} "
        f"order by {c.AS_OF} desc, {c.RELEASE_ID}",
        "In how many lists an item is, and at which place, by release, the newest first",
        (RELEASED_LISTS.name,),
    ),
)


def write_macros(con: "duckdb.DuckDBPyConnection") -> None:
    """Create or replace the macros in the attached file `a`; those whose tables are not there go."""
    there = {
        str(name)
        for (name,) in con.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where database_name = 'a' union all "
            "select schema_name || '.' || view_name from duckdb_views() where database_name = 'a'"
        ).fetchall()
    }
    con.execute("use a")  # names in a macro are those of its own file
    for macro in MACROS:
        if there.issuperset(macro.reads):
            con.execute(f"create or replace macro {macro.name}({macro.parameters}) as table {macro.sql}")
            con.execute(f"comment on macro table {macro.name} is {text_literal(macro.description)}")
        elif macro.name.split(".")[0] in {name.split(".")[0] for name in there}:
            con.execute(f"drop macro table if exists {macro.name}")
    con.execute("use memory")
