"""People who were forgotten: keyed hashes of their ids, by which their rows are rejected when they come again.

Removing what is there is composed in `pipeline.forgetting`. An id is hashed as it is stored: where ids are pseudonyms,
the hash is one of the pseudonym.
"""

import json
from collections.abc import Iterable
from datetime import datetime

import duckdb

from recs_platform.contracts.home import Home
from recs_platform.lake.disk import replace_text
from recs_platform.stages.events.pseudonyms import (
    create_key_file,
    prepare,
    pseudonym,
    pseudonym_sql,
    read_key_file,
)

FORGOTTEN = "forgotten"
FORGOTTEN_REASON = "it is of somebody who was forgotten on request; it is not kept"
_VARIABLE = "recs_forgotten"
# What `validation` calls on every id of a person.
IS_FORGOTTEN = "is_forgotten"


def read_tombstones(home: Home) -> dict[str, str]:
    """Instants (ISO, UTC) at which people were forgotten, by the hash of each of their ids."""
    file = home.tombstones
    return dict(json.loads(file.read_text("utf-8"))) if file.exists() else {}


def forgotten_at(home: Home, stored_ids: Iterable[str]) -> datetime | None:
    """When a person with any of these ids was forgotten first; None for one who was not."""
    known = read_tombstones(home)
    return min(
        (datetime.fromisoformat(known[each]) for each in hashes_of(home, stored_ids) if each in known), default=None
    )


def add_tombstones(home: Home, stored_ids: Iterable[str], at: datetime) -> list[str]:
    """Let the ids, as they are stored, never come in again; returns their hashes, sorted. An older entry stays."""
    create_key_file(home.forget_key)
    hashes = hashes_of(home, stored_ids)
    known = read_tombstones(home)
    home.forgets.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_text(home.tombstones, json.dumps({**dict.fromkeys(hashes, at.isoformat()), **known}, indent=1))
    return hashes


def hashes_of(home: Home, stored_ids: Iterable[str]) -> list[str]:
    """Keyed hashes of ids as they are stored, sorted; none where nobody was ever forgotten."""
    key = read_key_file(home.forget_key)
    return [] if key is None else sorted(pseudonym(key, each) for each in stored_ids)


def prepare_forgotten(con: duckdb.DuckDBPyConnection, home: Home, *, pseudonymize: bool) -> None:
    """Let `is_forgotten` know the home's tombstones on this connection, whose pseudonyms are prepared if there are any.

    Nothing is hashed where nobody was forgotten.
    """
    hashes, key = sorted(read_tombstones(home)), read_key_file(home.forget_key)
    if not hashes or key is None:
        return
    prepare(con, key, _VARIABLE)
    con.execute(f"set variable {_VARIABLE} = $1", [hashes])
    stored = pseudonym_sql("t") if pseudonymize else "t"
    is_known = f"list_contains(getvariable('{_VARIABLE}'), {pseudonym_sql(stored, _VARIABLE)})"
    con.execute(f"create or replace temp macro {IS_FORGOTTEN}(t) as coalesce({is_known}, false)")
