"""Since when which release has been in force, as it was published: a line each time that it was another."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import AwareDatetime, BaseModel, ValidationError

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.contracts.tables import RELEASES_IN_FORCE
from recs_platform.contracts.validation_errors import first_fault
from recs_platform.lake.column_types import polars_schema
from recs_platform.lake.disk import replace_text

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from recs_platform.contracts.home import Home


class _Line(BaseModel, frozen=True, extra="forbid", strict=True):
    since: AwareDatetime
    release_id: str


def note_in_force(home: Home, release_id: str, now: datetime) -> None:
    """Add a line where another release was in force until now. The caller holds Lock.SERVED."""
    lines = _lines(home)
    if not lines or lines[-1].release_id != release_id:
        added = json.dumps({c.SINCE: now.isoformat(), c.RELEASE_ID: release_id})
        replace_text(_file(home), "".join(f"{line}\n" for line in [*_text(home).splitlines(), added]))


def in_force_rows(home: Home) -> pl.DataFrame:
    """Rows of recommendations.in_force, in order of time; none in a home that never published."""
    import polars as pl

    rows = [{c.SINCE: line.since.astimezone(UTC), c.RELEASE_ID: line.release_id} for line in _lines(home)]
    return pl.DataFrame(rows, schema=polars_schema(RELEASES_IN_FORCE.columns))


def _lines(home: Home) -> list[_Line]:
    """What the file says. Raises ContractError for one that is damaged."""
    return [_line(home, number, line) for number, line in enumerate(_text(home).splitlines(), 1)]


def _line(home: Home, number: int, line: str) -> _Line:
    try:
        return _Line.model_validate_json(line)
    except ValidationError as error:
        raise _damaged(home, f"line {number}: {first_fault(error, _Line)[1]}") from None


def _text(home: Home) -> str:
    try:
        return _file(home).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise _damaged(home, "it is no text") from None


def _damaged(home: Home, fault: str) -> ContractError:
    return ContractError(
        f"{_file(home)} is damaged: {fault}; restore it from a copy of the home, or take that out of it: "
        "recommendations.in_force then lacks that change"
    )


def _file(home: Home) -> Path:
    return home.artifacts / "releases_in_force.jsonl"
