"""Since when which release has been in force, as it was published: a line each time that it was another."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import RELEASES_IN_FORCE
from recs_platform.lake.column_types import polars_schema
from recs_platform.lake.disk import replace_text

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from recs_platform.contracts.home import Home


def note_in_force(home: Home, release_id: str, now: datetime) -> None:
    """Add a line where another release was in force until now. The caller holds Lock.SERVED."""
    lines = _lines(home)
    if not lines or json.loads(lines[-1])[c.RELEASE_ID] != release_id:
        added = json.dumps({c.SINCE: now.isoformat(), c.RELEASE_ID: release_id})
        replace_text(_file(home), "".join(f"{line}\n" for line in [*lines, added]))


def in_force_rows(home: Home) -> pl.DataFrame:
    """Rows of recommendations.in_force, in order of time; none in a home that never published."""
    import polars as pl

    rows = [json.loads(line) for line in _lines(home)]
    found = [{**row, c.SINCE: datetime.fromisoformat(row[c.SINCE])} for row in rows]
    return pl.DataFrame(found, schema=polars_schema(RELEASES_IN_FORCE.columns))


def _lines(home: Home) -> list[str]:
    file = _file(home)
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def _file(home: Home) -> Path:
    return home.artifacts / "releases_in_force.jsonl"
